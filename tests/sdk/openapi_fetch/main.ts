/** What clients do most, through openapi-fetch. Every body leaves out what may be left out: tsc sees to it. */

import { activeUsers, connect, Refused, rename, signIn } from "./openapi_fetch.js";
import { refused, report, same } from "./tally.js";

const { SERVICE_URL: url = "", ADMIN_EMAIL = "", ADMIN_PASSWORD = "" } = process.env;
const password = "seven green owls on a wire";
const unique = (stem: string): string => `${stem}-${crypto.randomUUID().slice(0, 13)}`;
const codeOf = async (answer: Promise<unknown>): Promise<string> => ((await refused(answer, Refused)) as Refused).problem.code;

function accepted<Data>({ data, error }: { data?: Data; error?: ConstructorParameters<typeof Refused>[0] }): Data {
  if (error) throw new Refused(error);
  return data as Data;
}

// Register, sign in without a device token, stay signed in.
const nobody = connect(url);
const email = `${unique("user")}@example.org`;
const user = accepted(
  await nobody.POST("/api/v1/auth/register", { body: { email, password, display_name: "Ada Lovelace" } }),
);
const login = accepted(await nobody.POST("/api/v1/auth/login", { body: { email, password } }));
const tokens = accepted(await nobody.POST("/api/v1/auth/refresh", { body: { refresh_token: login.refresh_token } }));
const member = connect(url, tokens.access_token);
same(accepted(await member.GET("/api/v1/users/me")), user);
same(await codeOf(signIn(url, email, "no password of anybody")), "invalid_credentials");

// Lists with filters, changes with If-Match.
const admin = await signIn(url, ADMIN_EMAIL, ADMIN_PASSWORD);
same(await activeUsers(admin, email), [user]);
const renamed = await rename(admin, user, "Ada Byron");
same([renamed.display_name, renamed.email, renamed.version], ["Ada Byron", email, user.version + 1]);
same(await codeOf(rename(admin, user, "x")), "precondition_failed");
const path = { user_id: user.id };
// @ts-expect-error - the types ask for If-Match.
const { error } = await admin.PATCH("/api/v1/users/{user_id}", { params: { path }, body: { display_name: "x" } });
same(error?.code, "precondition_required");

// What is created has what the service gives where nothing is named.
const other = accepted(
  await admin.POST("/api/v1/users", { body: { email: `${unique("user")}@example.org`, display_name: "Bob" } }),
);
same([other.is_active, other.external_id], [true, null]);
const role = accepted(await admin.POST("/api/v1/roles", { body: { name: unique("role"), title: "Role" } }));
if ("gains" in role) throw new Error("it is a preview");
same([role.description, role.permissions, role.parents], ["", [], []]);
const given = { params: { path: { user_id: user.id, role_id: role.id } } };
const assigned = accepted(await admin.PUT("/api/v1/users/{user_id}/roles/{role_id}", { ...given, body: { reason: "x" } }));
same("items" in assigned && assigned.items.some((one) => one.role.id === role.id && one.expires_at === null), true);
const account = accepted(await admin.POST("/api/v1/service-accounts", { body: { name: unique("robot") } }));
const keys = { params: { path: { service_account_id: account.id } } };
const { key } = accepted(
  await admin.POST("/api/v1/service-accounts/{service_account_id}/keys", { ...keys, body: { name: "first" } }),
);

// Problems are typed, with every fault.
const faulty = await admin.POST("/api/v1/users", { body: { email: "nobody", display_name: "" } });
same(faulty.error && "errors" in faulty.error && faulty.error.errors.map(({ pointer }) => pointer).sort(), [
  "/display_name",
  "/email",
]);
same((await member.GET("/api/v1/users")).error?.code, "permission_denied");

// A service account acts for a user in one call; the next is its own.
const machine = connect(url, key);
const header = { "X-On-Behalf-Of": tokens.access_token };
same(accepted(await machine.GET("/api/v1/users/me", { params: { header } })).id, user.id);
same((await machine.GET("/api/v1/users/me")).error?.code, "permission_denied");

same((await member.POST("/api/v1/auth/logout", { body: {} })).response.status, 204);
same((await member.GET("/api/v1/users/me")).error?.code, "token_invalid");
report();
