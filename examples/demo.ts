// npm run demo: the real server with sample data, a web app that signs people in, and an API, on data of their own.
import { join } from 'node:path';
import { loadConfig } from '../src/platform/config/load.ts';
import { type DemoData, ensureDemo } from '../src/setup/demo.ts';
import { type RunningServer, startServer } from '../src/start.ts';
import { startApi } from './api/api.ts';
import { startApp } from './relying-party/app.ts';
import { PortTaken, type Running, serve, untilStopped } from './support/serve.ts';
import { portSetting, setting } from './support/settings.ts';

const ports = {
  PORT: portSetting('PORT', 3000),
  APP_PORT: portSetting('APP_PORT', 4000),
  API_PORT: portSetting('API_PORT', 4001),
};
const places = {
  issuer: `http://localhost:${ports.PORT}`,
  app: `http://localhost:${ports.APP_PORT}`,
  api: `http://localhost:${ports.API_PORT}`,
};

/** Started in order; stopped in the opposite order, the database last. */
const running: Running[] = [];

async function stopAll(): Promise<void> {
  for (let part = running.pop(); part !== undefined; part = running.pop()) await part.stop();
}

async function start(): Promise<void> {
  await checkPorts();
  console.log(
    'Starting Gatehouse with sample data; the first start makes a database and takes a few seconds.',
  );
  const { server, demo } = await startGatehouse();
  running.push(server);
  running.push(await startApi({ issuer: places.issuer, audience: demo.audience, port: ports.API_PORT }));
  running.push(
    await startApp({
      issuer: places.issuer,
      clientId: demo.app.clientId,
      clientSecret: demo.app.clientSecret ?? '',
      api: demo.audience,
      origin: places.app,
      port: ports.APP_PORT,
    }),
  );
  console.log(welcome(demo));
}

/** Nothing of a server that is installed here is read or touched: no environment, no .env, no data, no keys. */
async function startGatehouse(): Promise<{ server: RunningServer; demo: DemoData }> {
  const directory = setting('DEMO_DIRECTORY', join(import.meta.dirname, '..', 'data', 'demo'));
  const environment = {
    PORT: String(ports.PORT),
    DATA_DIRECTORY: directory,
    KEYS_DIRECTORY: join(directory, 'keys'),
    LOG_LEVEL: setting('LOG_LEVEL', 'warn'),
  };
  const config = loadConfig({ environment, directory: undefined });
  const made: { demo?: DemoData } = {};
  const server = await startServer(config, {
    prepare: async (services) => {
      const by = { kind: 'operator', id: 'demo' } as const;
      // Secrets and password are new at each start, so that none is kept in a file.
      made.demo = await ensureDemo(services, { app: places.app, api: places.api, renew: true }, by);
    },
  });
  if (made.demo === undefined) throw new Error('the server started without sample data');
  return { server, demo: made.demo };
}

/** Before the database is started, so that the answer comes at once. */
async function checkPorts(): Promise<void> {
  for (const [name, port] of Object.entries(ports)) {
    const probe = await serve(async () => {}, { port, setting: name });
    await probe.stop();
  }
}

function welcome({ person, service }: DemoData): string {
  return `
  The app        ${places.app}     start here: sign in, consent, call the API, refresh, sign out
  The API        ${places.api}     accepts access tokens and nothing else
  Gatehouse      ${places.issuer}     the authorization server

  Sign in as     ${person.email}
  Password       ${person.password}     (new at each start)

  More examples, in another terminal (docs/examples.md):
    ISSUER=${places.issuer} AUDIENCE=${places.api} npx node examples/code-flow/base.ts
    ISSUER=${places.issuer} AUDIENCE=${places.api} CLIENT_SECRET=${service.clientSecret} npx node examples/machine/base.ts

  Ctrl-C stops everything.
`;
}

try {
  await start();
  await untilStopped(stopAll);
} catch (error) {
  await stopAll();
  if (!(error instanceof PortTaken)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
