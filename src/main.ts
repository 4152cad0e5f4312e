// The entry of the server: serves by itself, or looks after several processes that do. Nothing runs on import.
import cluster from 'node:cluster';
import { parseArgs } from 'node:util';
import { UsageMistake } from './platform/command.ts';
import { sayError } from './platform/command-line/report.ts';
import { ConfigMistakes, loadConfig, processSources } from './platform/config/load.ts';
import { AppError } from './platform/errors.ts';
import { SecretsProblem } from './platform/secrets/master-key.ts';

/** `gatehouse serve`: runs until a signal asks it to stop; a second signal ends it at once. `workers` over its setting. */
export async function serve(options: { workers?: string | undefined } = {}): Promise<void> {
  const sources = processSources();
  const { workers } = options;
  const environment =
    workers === undefined ? sources.environment : { ...sources.environment, WORKERS: workers };
  const config = loadConfig({ ...sources, environment }, (line) => process.stderr.write(`${line}\n`));
  const signal = stopSignal();
  // Loaded when it is known what this process is: a primary stays small.
  if (config.http.workers > 1)
    await (await import('./workers.ts')).runWorkers(config, import.meta.filename, signal);
  else {
    process.on('SIGHUP', () => process.emit('SIGTERM'));
    await (await import('./start.ts')).serveUntil(signal, config);
  }
}

/** Listened for from the very start: a database that was just started must not be left behind by a Ctrl-C. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  const stop = () => {
    if (stopping.signal.aborted) process.exit(130);
    stopping.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return stopping.signal;
}

async function main(): Promise<void> {
  if (cluster.isWorker) return (await import('./worker.ts')).runWorker(loadConfig());
  await serve(argumentsOf(process.argv.slice(2)));
}

function argumentsOf(args: string[]): { workers?: string | undefined } {
  try {
    return parseArgs({ args, options: { workers: { type: 'string' } } }).values;
  } catch (error) {
    const { message } = error as Error; // parseArgs throws errors only
    throw new UsageMistake(message);
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    const expected = [AppError, ConfigMistakes, SecretsProblem, UsageMistake].some(
      (kind) => error instanceof kind,
    );
    process.exitCode = sayError(error, { json: false, debug: !expected }, process);
  }
}
