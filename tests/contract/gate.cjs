// Tells what breaks the clients of a released document: node gate.cjs released.json current.json...
//
// api-smart-diff compares the operations; what it lets pass, and names, which are part of an SDK, are judged here.
// A deprecated operation whose sunset is past may go, and with it the components that only it used.
const fs = require("fs");
const { compareOpenApi } = require("api-smart-diff");

const METHODS = ["get", "put", "post", "delete", "patch", "head", "options", "trace"];
// The wording of a refusal may change with its cause; a success that clients wait for may not.
const isGoneRefusal = ({ action, path }) =>
  action === "remove" && path.length === 5 && path[3] === "responses" && path[4] >= "400";

const isBreaking = (components) => (difference) => {
  const { action, path, type, after } = difference;
  if (path[0] === "components") return action === "remove" && path.length === 3 && components.has(path.join("/"));
  if (path[0] !== "paths" || isGoneRefusal(difference)) return false;
  const [parent, last] = path.slice(-2);
  const isName = parent === "properties";
  return (
    type === "breaking" ||
    (action === "remove" && (isName || parent === "enum")) ||
    (action === "replace" && !isName && ["type", "format", "enum", "const"].includes(last)) ||
    (last === "required" && path.includes("headers") && after !== true) ||
    (last === "additionalProperties" && !isName && after === false)
  );
};

const withoutSunset = (document, current) => {
  const today = new Date().toISOString().slice(0, 10);
  for (const [path, item] of Object.entries(document.paths)) {
    for (const method of METHODS) {
      const mayGo = item[method]?.deprecated && item[method]["x-sunset"] <= today;
      if (mayGo && !current.paths[path]?.[method]) delete item[method];
    }
    if (!METHODS.some((method) => item[method])) delete document.paths[path];
  }
  return document;
};

const usedSchemas = (document, node = document.paths, found = new Set()) => {
  for (const [, kind, name] of JSON.stringify(node).matchAll(/"#\/components\/(\w+)\/(\w+)"/g)) {
    const used = `components/${kind}/${name}`;
    if (found.has(used)) continue;
    found.add(used);
    usedSchemas(document, document.components[kind][name], found);
  }
  return found;
};

const asked = (document, operation) => {
  const alternatives = operation.security ?? document.security ?? [];
  return alternatives.length ? alternatives.map(Object.keys) : [[]];
};

function* brokenNames(released, current) {
  for (const [path, item] of Object.entries(released.paths)) {
    for (const method of METHODS.filter((name) => item[name] && current.paths[path]?.[name])) {
      const [before, after] = [item[method], current.paths[path][method]];
      if (before.operationId !== after.operationId) yield `operationId ${before.operationId}`;
      if (String(before.tags) !== String(after.tags)) yield `tags of ${before.operationId}`;
      const suffices = (offered) =>
        asked(current, after).some((needed) => needed.every((scheme) => offered.includes(scheme)));
      if (!asked(released, before).every(suffices)) yield `security of ${before.operationId}`;
    }
  }
}

// What stands beside a reference describes it, and would keep api-smart-diff from following it.
const alone = (_, value) => (typeof value?.$ref === "string" ? { $ref: value.$ref } : value);
const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"), alone);
const [released, ...candidates] = process.argv.slice(2);
for (const candidate of candidates) {
  const current = read(candidate);
  const before = withoutSunset(read(released), current);
  const differences = compareOpenApi(before, current).diffs.filter(isBreaking(usedSchemas(before)));
  const found = differences.map(({ action, path }) => `${action} ${path.join(" . ")}`);
  for (const line of new Set([...found, ...brokenNames(before, current)])) {
    console.log(`${candidate}: breaks clients of ${released}: ${line}`);
    process.exitCode = 1;
  }
}
