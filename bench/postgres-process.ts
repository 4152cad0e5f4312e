// What a PostgreSQL on this machine uses of its processors, for benches whose work is its work as well.
import { readdirSync, readFileSync } from 'node:fs';

export interface PostgresProcess {
  /** Of the server and all that it began, also of what has ended (proc(5): 10 ms ticks); not a number without /proc. */
  cpuMilliseconds(): number;
}

/** `backend`: pg_backend_pid() of any connection. */
export function postgresProcess(backend: number): PostgresProcess {
  const server = statOf(backend)?.parent;
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
