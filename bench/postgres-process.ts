// What a PostgreSQL on this machine uses of its processors, for benches whose work is its work as well.
import { readdirSync, readFileSync } from 'node:fs';
import type { Db } from '../src/platform/database/postgres.ts';

export interface PostgresProcess {
  /** Of the server and all that it began, also of what has ended (proc(5): 10 ms ticks); not a number without /proc. */
  cpuMilliseconds(): number;
}

export async function postgresProcess(db: Db): Promise<PostgresProcess> {
  const { rows } = await db.raw<{ rows: { pid: number }[] }>('select pg_backend_pid() as pid');
  const server = statOf(rows[0]?.pid ?? 0)?.parent;
  return {
    cpuMilliseconds() {
      if (server === undefined) return Number.NaN;
      const processes = readdirSync('/proc').flatMap((name) => statOf(Number(name)) ?? []);
      return processes.reduce((sum, { id, parent, own, children }) => {
        if (id === server) return sum + own + children;
        return parent === server ? sum + own : sum;
      }, 0);
    },
  };
}

function statOf(id: number) {
  try {
    const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ')[1]?.split(' ').map(Number) ?? [];
    const [, parent, , , , , , , , , , user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields;
    return { id, parent, own: (user + system) * 10, children: (childrenUser + childrenSystem) * 10 };
  } catch {
    return undefined;
  }
}
