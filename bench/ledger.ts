// Measures the ledger alone, in turn: each event by itself, in groups that wait for nobody, and as it is, in groups that wait a
// moment for company. Events per second, write statements per event, and how long an event takes.
// Usage: node bench/ledger.ts [postgres URL of an empty database]; without one, an embedded PostgreSQL is started.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAppender } from '../src/audit/append.ts';
import { eventRow, type NewEvent } from '../src/audit/audit.ts';
import { insertEvents } from '../src/audit/store.ts';
import { migrate } from '../src/platform/database/migrations.ts';
import { createPostgres, type Postgres } from '../src/platform/database/postgres.ts';
import { openEmbeddedPostgres } from '../src/platform/embedded-postgres.ts';
import { withOrigin } from '../src/platform/origin.ts';
import { silentLog } from '../src/platform/telemetry/log.ts';

const SECONDS = 1.5;
const ROUNDS = 5;
const CONCURRENCIES = [1, 8, 32];

const origin = {
  requestId: 'req_01jd8b2v9q3w6f1n5k7m8p0r2t',
  address: '203.0.113.57',
  userAgent: 'openid-client/6.8.9 (https://github.com/panva/openid-client)',
};

interface Figures {
  eventsPerSecond: number;
  statementsPerEvent: number;
  p50: number;
  p99: number;
}

type Append = (event: NewEvent) => Promise<void>;

async function measure(
  postgres: Postgres,
  append: Append,
  concurrency: number,
  seconds: number,
): Promise<Figures> {
  let statements = 0;
  const count = () => {
    statements += 1;
  };
  postgres.db.on('query', count);
  const times: number[] = [];
  const begun = performance.now();
  const end = begun + seconds * 1000;
  const caller = async (number: number) => {
    while (performance.now() < end) {
      const start = performance.now();
      await append(issued(number, times.length));
      times.push(performance.now() - start);
    }
  };
  await withOrigin(origin, () =>
    Promise.all(Array.from({ length: concurrency }, (_, number) => caller(number))),
  );
  const elapsed = (performance.now() - begun) / 1000;
  postgres.db.removeListener('query', count);
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.floor(times.length * share)] ?? 0;
  return {
    eventsPerSecond: times.length / elapsed,
    statementsPerEvent: statements / times.length,
    p50: at(0.5),
    p99: at(0.99),
  };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

function issued(caller: number, turn: number): NewEvent {
  const clientId = `billing-worker-${caller}`;
  return {
    type: 'token.issued',
    actor: { kind: 'client', id: clientId },
    outcome: 'success',
    clientId,
    details: {
      grantType: 'client_credentials',
      audience: 'https://api.example.com',
      scope: 'invoices:read invoices:write',
      handle: `h${turn.toString(36)}`,
    },
  };
}

async function run(url: string): Promise<void> {
  await migrate({ url, log: silentLog });
  const postgres = createPostgres({
    url,
    poolMax: 10,
    statementTimeoutSeconds: 30,
    applicationName: 'bench',
  });
  const { db } = postgres;
  const grouped = createAppender({ db });
  const atOnce = createAppender({ db, companyMilliseconds: 0 });
  const ways: Record<string, Append> = {
    'each alone': (event) => insertEvents(db, [eventRow(event, new Date())]),
    'no wait': (event) => atOnce.append(eventRow(event, new Date())),
    'as it is': (event) => grouped.append(eventRow(event, new Date())),
  };
  for (const append of Object.values(ways)) await measure(postgres, append, 32, 1); // warm up
  console.log(
    'callers   way          events/s   statements/event   p50 ms   p99 ms   (medians of rounds in turn)',
  );
  for (const concurrency of CONCURRENCIES) {
    const figures: Record<string, Figures[]> = {};
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [way, append] of Object.entries(ways)) {
        figures[way] = [...(figures[way] ?? []), await measure(postgres, append, concurrency, SECONDS)];
      }
    }
    for (const [way, rounds] of Object.entries(figures)) {
      const of = (name: keyof Figures) => median(rounds.map((round) => round[name]));
      console.log(
        String(concurrency).padStart(7),
        ` ${way.padEnd(11)}`,
        of('eventsPerSecond').toFixed(0).padStart(9),
        of('statementsPerEvent').toFixed(3).padStart(18),
        of('p50').toFixed(2).padStart(8),
        of('p99').toFixed(2).padStart(8),
      );
    }
  }
  await postgres.close();
}

const given = process.argv[2];
if (given !== undefined) {
  await run(given);
} else {
  const directory = await mkdtemp(join(tmpdir(), 'gatehouse-bench-'));
  const embedded = await openEmbeddedPostgres({ dataDirectory: directory, role: 'serve', log: silentLog });
  try {
    await run(embedded.url);
  } finally {
    await embedded.release();
    await rm(directory, { recursive: true, force: true });
  }
}
