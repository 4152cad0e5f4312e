// One of several server processes: serves as a single one does, and does what its primary says.
import cluster from 'node:cluster';
import type { Config } from './platform/config/load.ts';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './platform/workers/messages.ts';
import { ROLLING, type RunningServer, serveUntil } from './start.ts';

export async function runWorker(config: Config): Promise<void> {
  const stopping = new AbortController();
  const server: { running?: RunningServer } = {};
  process.on('message', (message: unknown) => {
    if (!isOurs<PrimaryMessage>(message)) return;
    if (message.gatehouse === 'stop') stopping.abort(message.rolling ? ROLLING : undefined);
    else void tellMetrics(message.id, server.running);
  });
  // Ctrl-C and a closed terminal reach every process of the group; only the primary decides what follows.
  for (const name of ['SIGINT', 'SIGHUP'] as const) process.on(name, () => {});
  process.on('SIGTERM', () => stopping.abort());
  try {
    await serveUntil(stopping.signal, config, {
      worker: { first: cluster.worker?.id === 1 },
      whenReady(running) {
        server.running = running;
        tell({ gatehouse: 'ready', port: running.port });
      },
    });
  } finally {
    // The open channel would keep this process alive.
    cluster.worker?.disconnect();
  }
}

async function tellMetrics(id: number, server: RunningServer | undefined): Promise<void> {
  const metrics = (await server?.metrics.registry.getMetricsAsJSON()) ?? [];
  tell({ gatehouse: 'metrics', id, metrics });
}

/** A primary that is gone hears nothing any more; node:cluster ends this process then. */
function tell(message: WorkerMessage): void {
  process.send?.(message, undefined, undefined, () => {});
}
