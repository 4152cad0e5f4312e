// The demo as tests use it: server, API and app in this process, each on a free port, with the sample data.
import { afterAll, beforeAll } from 'vitest';
import { startApi } from '../../examples/api/api.ts';
import { startApp } from '../../examples/relying-party/app.ts';
import type { Running } from '../../examples/support/serve.ts';
import { type DemoData, ensureDemo } from '../../src/setup/demo.ts';
import { freePort, type TestServer, useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';

export interface DemoWorld {
  readonly gatehouse: TestServer;
  /** The origins. */
  readonly app: string;
  readonly api: string;
  readonly data: DemoData;
  readonly password: string;
}

/** Call it at the top of a file or `describe`. The fields are there when tests run. */
export function useDemo(): DemoWorld {
  const gatehouse = useGatehouse();
  const started: { running: Running[]; data?: DemoData; app: string; api: string } = {
    running: [],
    app: '',
    api: '',
  };

  beforeAll(async () => {
    const ports = { app: await freePort(), api: await freePort() };
    started.app = `http://localhost:${ports.app}`;
    started.api = `http://localhost:${ports.api}`;
    const { services, issuer } = gatehouse;
    const data = await ensureDemo(services, { app: started.app, api: started.api, renew: true }, operator);
    started.data = data;
    started.running.push(
      await startApi({ issuer, audience: data.audience, port: ports.api }),
      await startApp({
        issuer,
        clientId: data.app.clientId,
        clientSecret: data.app.clientSecret ?? '',
        api: data.audience,
        origin: started.app,
        port: ports.app,
      }),
    );
  });
  afterAll(async () => {
    for (const part of started.running) await part.stop();
  });

  const data = () => {
    if (!started.data) throw new Error('the demo runs only while tests run');
    return started.data;
  };
  return {
    gatehouse,
    get app() {
      return started.app;
    },
    get api() {
      return started.api;
    },
    get data() {
      return data();
    },
    get password() {
      return data().person.password ?? '';
    },
  };
}
