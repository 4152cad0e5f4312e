// A process of its own that opens the embedded PostgreSQL, for tests that kill it: prints the URL, releases at a line.
import { once } from 'node:events';
import { openEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';

const [dataDirectory = '', role = ''] = process.argv.slice(2);
const postgres = await openEmbeddedPostgres({
  dataDirectory,
  role: role === 'serve' ? 'serve' : 'command',
  log: silentLog,
});
console.log(postgres.url);
await once(process.stdin, 'data');
await postgres.release();
process.exit(0);
