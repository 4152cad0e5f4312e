// A PostgreSQL of one test's own, to be killed, paused and started again while servers use it.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll } from 'vitest';
import { type EmbeddedPostgres, openEmbeddedPostgres } from '../../src/platform/embedded-postgres.ts';
import { silentLog } from '../../src/platform/telemetry/log.ts';

export interface PostgresServer {
  /** For DATABASE_URL; the same after a restart. */
  url(): string;
  /** `kill -9` of the postmaster; its children notice and end. */
  kill(): Promise<void>;
  /** As `pg_ctl stop -m immediate`: no checkpoint, the next start recovers. */
  stopAtOnce(): Promise<void>;
  /** After `kill`: resolves when it answers. */
  start(): Promise<void>;
  /** SIGSTOP for the postmaster and all of its children: connections stay open and nothing is answered. */
  pause(): Promise<void>;
  resume(): Promise<void>;
}

/** Call it at the top of a file or `describe`. */
export function usePostgresServer(): PostgresServer {
  const running: { folder?: string } = {};
  const server = postgresServer(() => running.folder ?? '');

  beforeAll(async () => {
    running.folder = await mkdtemp(join(tmpdir(), 'gatehouse-postgres-'));
    await server.start();
  }, 60_000);
  afterAll(async () => {
    await server.end();
    await rm(running.folder ?? '', { recursive: true, force: true });
  });
  return server;
}

/** Without the hooks of a test; `start` comes first, `end` last, and the folder is the caller's. */
export function postgresServer(
  folder: () => string,
  serverSettings: Record<string, string> = {},
): PostgresServer & { end(): Promise<void> } {
  const running: { open?: EmbeddedPostgres } = {};
  const signal = async (name: NodeJS.Signals) => {
    for (const pid of await processes(folder())) send(pid, name);
  };
  const end = async (name: NodeJS.Signals) => {
    const all = await processes(folder());
    const [postmaster = 0] = all;
    if (postmaster > 0) send(postmaster, name);
    while (all.some((pid) => send(pid, 0))) await delay(20);
  };
  return {
    url: () => running.open?.url ?? '',
    kill: () => end('SIGKILL'),
    stopAtOnce: () => end('SIGQUIT'),
    async start() {
      running.open = await openEmbeddedPostgres({
        dataDirectory: folder(),
        // A command: what serves would bring a killed database back by itself.
        role: 'command',
        log: silentLog,
        serverSettings,
      });
    },
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    async end() {
      await signal('SIGCONT');
      await signal('SIGKILL');
    },
  };
}

/** The postmaster first. */
async function processes(folder: string): Promise<number[]> {
  const text = await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '');
  const postmaster = Number(text.split('\n')[0]);
  if (!postmaster) return [];
  const children: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const status = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '');
    const parent = /^\d+ \(.*\) \w (\d+)/s.exec(status)?.[1];
    if (Number(parent) === postmaster) children.push(Number(name));
  }
  return [postmaster, ...children];
}

/** False when there is no such process, or only its unread end. */
function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
