/** The work of administrators, machines and decisions, through the TypeScript client of `just sdk`. */

import {
  assignRole,
  assignServiceAccountRole,
  createApiKey,
  createPermission,
  createRole,
  createServiceAccount,
  deleteRole,
  evaluateAccess,
  evaluateAccesses,
  explainAccess,
  getMe,
  grantPermission,
  introspectToken,
  issueToken,
  listAuditEvents,
  listPermissionHolders,
  listPermissions,
  listRoleUsers,
  listUserPermissions,
  listUserRoles,
  listUsers,
  replaceRoleParents,
  replaceRolePermissions,
  replaceUserRoles,
  revokeApiKey,
  searchActions,
  searchResources,
  searchSubjects,
  updateRole,
  withdrawPermission,
  withdrawRole,
  type AccessPreview,
  type Permission,
  type Role,
} from "cms-service-client";
import type { Client } from "cms-service-client/client";
import { administrator, bearer, nobody, refusal, registered, tokensOf, unique } from "./callers.js";
import { accepted } from "./sdk_answers.js";
import { rename } from "./sdk_on_behalf_of.js";
import { same } from "./tally.js";

const anytime = { "If-Match": "*" };

async function permission(client: Client, name: string): Promise<Permission> {
  return accepted(await createPermission({ client, body: { name } }));
}

async function role(client: Client, ...permission_ids: string[]): Promise<Role> {
  return whole(accepted(await createRole({ client, body: { name: unique("role"), title: "Role", permission_ids } })));
}

function whole<Done>(answer: Done | AccessPreview): Done {
  if (typeof answer === "object" && answer !== null && "gains" in answer) throw new Error("it is a preview");
  return answer as Done;
}

function preview<Done>(answer: Done | AccessPreview): AccessPreview {
  if (typeof answer === "object" && answer !== null && "gains" in answer) return answer;
  throw new Error("it is no preview");
}

export async function administratorsShapeAndGiveRoles(): Promise<void> {
  const client = await administrator();
  const kind = unique("article");
  const user = await registered();
  const read = await permission(client, `${kind}:read`);
  const write = await permission(client, `${kind}:write`);
  const named = accepted(await listPermissions({ client, query: { q: kind, sort: "name" } }));
  same(named.items.map(({ name }) => name), [read.name, write.name]);
  const draft = { name: unique("r"), title: "R", permission_ids: [read.id] };
  same(preview(accepted(await createRole({ client, body: draft, query: { dry_run: true } }))).gains.total, 0);
  const reader = await role(client, read.id);
  const writer = await role(client);

  // A role, its permissions and its parents.
  const path = { role_id: writer.id };
  const headers = { "If-Match": `"${writer.version}"` };
  const renamed = whole(accepted(await updateRole({ client, path, headers, body: { title: "Writer" } })));
  same([renamed.title, renamed.name], ["Writer", writer.name]);
  const body = { permission_ids: [read.id, write.id] };
  same((await refusal(replaceRolePermissions({ client, path, headers, body }))).status, 412);
  same((await replaceRolePermissions({ client, path, headers: anytime, body })).response?.status, 200);
  const withdrawn = await withdrawPermission({ client, path: { ...path, permission_id: read.id } });
  same(withdrawn.response?.status, 204);
  accepted(await grantPermission({ client, path: { ...path, permission_id: write.id } }));
  const parents = { parent_ids: [reader.id] };
  const heir = whole(accepted(await replaceRoleParents({ client, path, headers: anytime, body: parents })));
  same([heir.parents.map(({ id }) => id), heir.permissions.map(({ name }) => name)], [[reader.id], [write.name]]);

  // Who has it, where, how long and why.
  const terms = { scope: "site:blog", not_before: "2020-01-01T00:00:00Z", expires_at: "2999-01-01T00:00:00Z", reason: "x" };
  const given = { user_id: user.id, role_id: writer.id };
  const expected = preview(accepted(await assignRole({ client, path: given, body: terms, query: { dry_run: true } })));
  same(
    expected.gains.items.map((grant) => [grant.permission, grant.scope, grant.subject.type]),
    [read.name, write.name].map((name) => [name, "site:blog", "user"]),
  );
  const assigned = whole(accepted(await assignRole({ client, path: given, body: terms })));
  const told = assigned.items.find((one) => one.role.id === writer.id);
  same([told?.scope, told?.reason, new Date(told?.expires_at ?? "")], ["site:blog", "x", new Date(terms.expires_at)]);
  const effective = accepted(await listUserPermissions({ client, path: { user_id: user.id } })).items;
  const inherited = effective.find((one) => one.permission.name === read.name);
  same(inherited?.sources[0]?.via.map(({ id }) => id), [reader.id]);
  same(accepted(await listRoleUsers({ client, path })).items.map(({ id }) => id), [user.id]);
  const holders = accepted(await listPermissionHolders({ client, path: { permission_id: read.id } })).items;
  same(holders.some((holder) => holder.subject.id === user.id), true);

  // And no more.
  const only = { assignments: [{ role_id: reader.id }] };
  const one = { user_id: user.id };
  const replaced = whole(accepted(await replaceUserRoles({ client, path: one, headers: anytime, body: only })));
  same(replaced.items.map((each) => [each.role.id, each.scope]), [[reader.id, null]]);
  same((await withdrawRole({ client, path: { ...one, role_id: reader.id } })).response?.status, 204);
  same(accepted(await listUserRoles({ client, path: one })).items, []);
  preview(accepted(await deleteRole({ client, path, headers: anytime, query: { dry_run: true } })));
  same((await deleteRole({ client, path, headers: anytime })).response?.status, 204);
  const events = accepted(await listAuditEvents({ client, query: { target_id: writer.id, limit: 100 } })).items;
  same(events.some((event) => event.action === "role.deleted"), true);
}

export async function machinesAskWhatOthersMay(): Promise<void> {
  const client = await administrator();
  const kind = unique("article");
  const user = await registered();
  const read = await permission(client, `${kind}:read`);
  const [check] = accepted(await listPermissions({ client, query: { q: "access:check" } })).items;
  const [look] = accepted(await listPermissions({ client, query: { q: "tokens:introspect" } })).items;
  const reading = await role(client, read.id);
  const asking = await role(client, check?.id ?? "", look?.id ?? "");
  await assignRole({ client, path: { user_id: user.id, role_id: reading.id }, body: { scope: "site:blog" } });

  // A machine, its key, and the access token that it gets for it.
  const account = accepted(await createServiceAccount({ client, body: { name: unique("robot") } }));
  const path = { service_account_id: account.id };
  accepted(await assignServiceAccountRole({ client, path: { ...path, role_id: asking.id } }));
  const key = accepted(await createApiKey({ client, path, body: { name: "first" } }));
  const auth = (scheme: { scheme?: string }) => (scheme.scheme === "basic" ? `${account.id}:${key.key}` : undefined);
  const grant = { grant_type: "client_credentials" };
  const { data: token, error } = await issueToken({ client: nobody, auth, body: grant });
  same([token?.token_type, error], ["Bearer", undefined]);
  const { error: fault } = await issueToken({ client: nobody, auth, body: { grant_type: "password" } });
  same(fault && "error" in fault ? fault.error : undefined, "unsupported_grant_type");
  const { data: seen } = await introspectToken({ client: nobody, auth, body: { token: token?.access_token ?? "" } });
  same([seen?.active, seen?.sub], [true, account.id]);
  const machine = bearer(token?.access_token ?? "");

  // Decisions, one and many, and their reasons.
  const subject = { type: "user", id: user.id };
  const action = { name: "read" };
  const resource = { type: kind, id: "1", properties: { scopes: ["site:blog"] } };
  const elsewhere = { type: kind, id: "2" };
  const may = { subject, action, resource };
  same(accepted(await evaluateAccess({ client: machine, body: may })).decision, true);
  const many = accepted(
    await evaluateAccesses({
      client: machine,
      body: {
        subject,
        action,
        evaluations: [{ resource }, { resource: elsewhere }, { resource, action: { name: "write" } }],
        options: { evaluations_semantic: "execute_all" },
      },
    }),
  );
  same(many.evaluations?.map(({ decision }) => decision), [true, false, false]);
  const granted = accepted(await explainAccess({ client, body: may }));
  same([granted.decision, granted.paths[0]?.roles[0]?.id], [true, reading.id]);
  const denied = accepted(await explainAccess({ client, body: { subject, action, resource: elsewhere } }));
  same(denied.reasons.map(({ code }) => code), ["other_scope"]);

  // Who may, what, and to which.
  const who = accepted(await searchSubjects({ client: machine, body: { subject: { type: "user" }, action, resource } }));
  same(who.results.some(({ id }) => id === user.id), true);
  const what = accepted(await searchActions({ client: machine, body: { subject, resource } }));
  same(what.results.map(({ name }) => name), ["read"]);
  const which = await searchResources({ client: machine, body: { subject, action, resource: { type: kind } } });
  same(accepted(which).context.all, false);

  same((await revokeApiKey({ client, path: { ...path, key_id: key.id } })).response?.status, 204);
  same((await refusal(evaluateAccess({ client: machine, body: may }))).status, 401);
  same((await refusal(evaluateAccess({ client: nobody, body: may }))).code, "authentication_required");
}

export async function machinesActForAUserOneCallAtATime(): Promise<void> {
  const client = await administrator();
  const user = await registered();
  const token = (await tokensOf(user.email)).access_token;
  const [read] = accepted(await listPermissions({ client, query: { q: "users:read" } })).items;
  const reading = await role(client, read?.id ?? "");
  const account = accepted(await createServiceAccount({ client, body: { name: unique("robot") } }));
  const path = { service_account_id: account.id };
  accepted(await assignServiceAccountRole({ client, path: { ...path, role_id: reading.id } }));
  const machine = bearer(accepted(await createApiKey({ client, path, body: { name: "first" } })).key);

  const renamed = await rename(machine, token, "Ada Byron");
  same([renamed.id, renamed.display_name], [user.id, "Ada Byron"]);

  // The next call is of the service account again, with its rights.
  same((await refusal(getMe({ client: machine }))).code, "permission_denied");
  const headers = { "X-On-Behalf-Of": token };
  same((await refusal(listUsers({ client: machine, headers }))).code, "permission_denied");
  same(accepted(await listUsers({ client: machine, query: { email: user.email } })).items, [renamed]);
  const wrong = { "X-On-Behalf-Of": "no token" };
  same((await refusal(getMe({ client: machine, headers: wrong }))).code, "token_invalid");
}
