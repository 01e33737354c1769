// Runs all server audits of graphql-http against the address given; fails if any says anything but ok.
import { auditServer } from 'graphql-http';

const results = await auditServer({ url: process.argv[2] });
const failed = results.filter((result) => result.status !== 'ok');
for (const { id, name, status, reason } of failed) console.log(`${status} ${id} ${name}: ${reason}`);
console.log(`${results.length - failed.length} of ${results.length} audits ok`);
process.exit(failed.length === 0 ? 0 : 1);
