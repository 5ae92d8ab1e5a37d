import { report } from "./tally.js";
import * as access from "./access.js";
import * as accounts from "./accounts.js";

for (const [name, run] of [...Object.entries(accounts), ...Object.entries(access)]) {
  console.log(name);
  await run();
}
report();
