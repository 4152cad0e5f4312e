// Measures `gatehouse user import`: accounts per second and the memory of the process, on a database of its own.
// Writes bench/RESULTS-import.md. Usage: node bench/import.ts [records] [postgres URL of an empty database]; without one, an
// embedded PostgreSQL is started, and with one only a line of JSON is printed, for bench/pages.ts.
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { openSource } from '../src/imports/imports.ts';
import { openServices } from '../src/open-services.ts';
import { loadConfig } from '../src/platform/config/load.ts';
import { withOrigin } from '../src/platform/origin.ts';
import { postgresProcess } from './postgres-process.ts';

const RECORDS = Number(process.argv[2] ?? 200_000);
const BCRYPT = '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy';
const by = { kind: 'operator', id: 'bench' } as const;

function* lines(): Generator<string> {
  yield 'id,email,email_verified,username,name,given_name,family_name,locale,password_hash\n';
  for (let at = 0; at < RECORDS; at += 1) {
    yield `${at},person.${at}@example.com,true,person-${at},"Person, No. ${at}",Person,Number ${at},de-AT,${BCRYPT}\n`;
  }
}

const directory = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
const [, , , url] = process.argv;
const environment = {
  DATA_DIRECTORY: join(directory, 'data'),
  KEYS_DIRECTORY: join(directory, 'keys'),
  ...(url !== undefined && { DATABASE_URL: url }),
};
try {
  const file = join(directory, 'people.csv');
  await pipeline(Readable.from(lines()), createWriteStream(file));
  const { services, close } = await openServices(loadConfig({ environment, directory: undefined }), {
    role: 'command',
  });
  try {
    let most = 0;
    const input = {
      source: await openSource(file),
      columns: { renamed: new Map() },
      rules: { allowPlain: false, allowAdmins: false, requirePasswordChange: false },
      report: join(directory, 'report.jsonl'),
      resume: false,
      dryRun: false,
      heard: () => {
        most = Math.max(most, process.memoryUsage.rss());
      },
    };
    const [backend] = (await services.postgres.db.raw('select pg_backend_pid() as pid')).rows;
    const postgres = postgresProcess(backend.pid);
    const postgresBefore = postgres.cpuMilliseconds();
    const before = process.cpuUsage();
    const origin = { requestId: 'bench', address: null, userAgent: 'bench' };
    const summary = await withOrigin(origin, () => services.imports.run(input, by));
    const { user, system } = process.cpuUsage(before);
    const postgresMicroseconds = ((postgres.cpuMilliseconds() - postgresBefore) * 1000) / summary.created;
    const { size } = await stat(file);
    const perSecond = summary.created / summary.seconds;
    const cpuMicroseconds = (user + system) / summary.created;
    if (url !== undefined)
      console.log(
        JSON.stringify({ perSecond, cpuMicroseconds, postgresMicroseconds, megabytes: most / 1e6 }),
      );
    const [load = 0] = loadavg();
    const text = `<!-- Written by bench/import.ts -->
# Import

| | |
|---|--:|
| Accounts, each with address, user name, bcrypt hash and event | ${summary.created.toLocaleString('en')} |
| Megabytes of CSV | ${(size / 1e6).toFixed(0)} |
| Seconds | ${summary.seconds} |
| Accounts per second | ${Math.round(perSecond).toLocaleString('en')} |
| Processor time of the process, microseconds per account | ${Math.round(cpuMicroseconds)} |
| Processor time of PostgreSQL, microseconds per account | ${Math.round(postgresMicroseconds)} |
| Most memory of the process, MB | ${(most / 1e6).toFixed(0)} |

Node ${process.version}, ${availableParallelism()} cores with a load of ${load.toFixed(1)} on them, embedded PostgreSQL with fsync on.
`;
    if (url === undefined) {
      await writeFile(join(import.meta.dirname, 'RESULTS-import.md'), text);
      console.log(text);
    }
  } finally {
    await close();
  }
} finally {
  await rm(directory, { recursive: true, force: true });
}
