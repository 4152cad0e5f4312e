// `npm run drills [-- names]`: what happens to clients while parts of an installation fail, one part after the other.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { needs } from '../support/tools.ts';
import { castOf } from './cast.ts';
import { runDrill } from './drill.ts';
import { faults } from './faults.ts';
import { printed } from './report.ts';
import { startWorld, type World } from './world.ts';

const INTERRUPTED = 130;
const PACE = { beforeMilliseconds: 6_000, afterMilliseconds: 6_000 };

async function main(wanted: readonly string[]): Promise<number> {
  if (needs('nginx', 'redis-server')) {
    console.error('The drills need nginx and redis-server.');
    return 2;
  }
  const unknown = wanted.filter((id) => !faults.some((fault) => fault.id === id));
  if (unknown.length > 0) {
    console.error(
      `There is no drill ${unknown.join(', ')}; there are: ${faults.map(({ id }) => id).join(', ')}`,
    );
    return 64;
  }
  const starting = startWorld({ smallDisk: true });
  // Also while it starts: nothing may be left behind.
  const interrupted = () =>
    void starting.then((world) => world.end()).finally(() => process.exit(INTERRUPTED));
  process.once('SIGINT', interrupted);
  process.once('SIGTERM', interrupted);
  const world = await starting;
  let failed = 0;
  const results: object[] = [];
  try {
    const cast = await castOf(world);
    for (const fault of faults) {
      if (wanted.length > 0 && !wanted.includes(fault.id)) continue;
      const why = fault.unable?.(world);
      if (why !== undefined) {
        console.log(`${fault.title}: not possible here, ${why}\n`);
        continue;
      }
      const begun = new Date();
      const result = await runDrill(world, cast, fault, PACE);
      console.log(printed(result));
      results.push({ begun, ...result });
      if (result.lost.length + result.twice.length > 0) failed += 1;
    }
  } finally {
    if (process.env.DRILLS_KEEP) await keep(world, process.env.DRILLS_KEEP, results);
    await world.end();
  }
  return failed === 0 ? 0 : 1;
}

/** For whoever looks for a cause: logs of the nodes and of nginx, and the ledger. */
async function keep(world: World, folder: string, results: readonly object[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const database = new Client({ connectionString: world.postgres.url() });
  await database.connect();
  const { rows } = await database.query('select * from audit_events order by occurred_at');
  await database.end();
  writeFileSync(join(folder, 'events.jsonl'), rows.map((row) => JSON.stringify(row)).join('\n'));
  writeFileSync(join(folder, 'results.json'), JSON.stringify(results, undefined, 1));
  await world.end(folder);
}

process.exitCode = await main(process.argv.slice(2));
