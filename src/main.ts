// Start: load the configuration, build everything, listen, and stop gracefully. Nothing runs on import.
import { createApp } from './app.ts';
import { CONFIG_EXIT_CODE, type Config, ConfigMistakes, loadConfig } from './platform/config/load.ts';
import { listen } from './platform/http/server.ts';
import { createJobs } from './platform/jobs.ts';
import { metricsListener } from './platform/metrics.ts';
import { openServices, type Services } from './services.ts';

export interface RunningServer {
  readonly port: number;
  /** Finishes what is running, flushes the ledger, and stops the database last. */
  stop(): Promise<void>;
}

/** `prepare` runs before anything is served: the demo puts its sample data there. */
export async function startServer(
  config: Config,
  prepare: (services: Services) => Promise<void> = async () => {},
): Promise<RunningServer> {
  const { services, close } = await openServices(config, { role: 'serve' });
  const { log, clock, postgres } = services;
  const jobs = createJobs({ db: postgres.db, log, clock }, services.jobs);
  try {
    await prepare(services);
    const app = createApp(services);
    await services.changes.start();
    services.audit.start();
    jobs.start();
    const metrics =
      config.metrics.port === null
        ? undefined
        : await metricsListener({
            metrics: services.metrics,
            host: config.metrics.host,
            port: config.metrics.port,
          });
    const listener = await listen(app.callback, { ...config.http, log });
    log.info('Gatehouse is ready', { issuer: config.issuer, port: listener.port });
    await printSetupLink(services.setup.newLink, config.issuer);
    return {
      port: listener.port,
      async stop() {
        app.health.drain();
        await listener.stop(config.http.shutdownGraceSeconds);
        await metrics?.stop();
        await jobs.stop();
        await close();
      },
    };
  } catch (error) {
    await jobs.stop();
    await close();
    throw error;
  }
}

/** `gatehouse serve`: runs until a signal asks it to stop. A second signal ends it at once. */
export async function serve(): Promise<void> {
  const server = await startServer(loadConfig(undefined, (line) => process.stderr.write(`${line}\n`)));
  await new Promise<void>((resolve, reject) => {
    let stopping = false;
    const stop = () => {
      if (stopping) process.exit(130);
      stopping = true;
      server.stop().then(resolve, reject);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
  });
}

/** To the terminal and nowhere else: a log collector must not be able to make an administrator. */
async function printSetupLink(newLink: () => Promise<string | undefined>, issuer: string): Promise<void> {
  const token = await newLink();
  if (token === undefined) return;
  process.stderr.write(
    `\n  Welcome. Create the first administrator at\n\n    ${issuer}/setup?token=${token}\n\n  The link works once. Every start makes a new one, until there is an administrator.\n\n`,
  );
}

if (import.meta.main) {
  try {
    await serve();
  } catch (error) {
    if (!(error instanceof ConfigMistakes)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = CONFIG_EXIT_CODE;
  }
}
