// Assets, health, metrics, and a server that starts and stops without cutting anybody off.
import { Agent, request, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { listen } from '../../../src/platform/http/server.ts';
import { siteOf } from '../../../src/platform/http/site.ts';
import { createAssets } from '../../../src/platform/http/static.ts';
import { silentLog } from '../../../src/platform/telemetry/log.ts';
import { metricsListener } from '../../../src/platform/telemetry/metrics.ts';
import { folder, start } from './application.ts';

describe('assets', () => {
  it('are named by the hash of their content, below the path of the issuer', () => {
    const shipped = folder({
      'app.css': 'body { background: url(bg.svg) }',
      'bg.svg': '<svg/>',
      'img/a.png': 'x',
    });
    const own = folder({ 'app.css': 'body { color: red }' });
    const site = siteOf('https://id.example/auth');
    const assets = createAssets({ site, directories: [shipped] });
    expect(assets.url('app.css')).toMatch(/^\/auth\/assets\/app\.[0-9a-f]{16}\.css$/);
    expect(assets.url('img/a.png')).toMatch(/^\/auth\/assets\/img\/a\.[0-9a-f]{16}\.png$/);
    expect(() => assets.url('other.css')).toThrow('no asset other.css');
    const overridden = createAssets({ site, directories: [shipped, own] });
    expect(overridden.url('app.css')).not.toBe(assets.url('app.css'));
    expect(overridden.url('bg.svg')).toBe(assets.url('bg.svg'));
  });

  it('answer GET, HEAD and If-None-Match, and refuse the rest', async () => {
    const app = await start({
      files: { 'views/errors/error.ejs': "<%= asset('app.css') %> <%= asset('bg.svg') %>" },
    });
    const page = await (await fetch(`${app.url}/nowhere`, { headers: { Accept: 'text/html' } })).text();
    const [css = '', svg = ''] = page.match(/\/assets\/[a-z]+\.[0-9a-f]+\.[a-z]+/g) ?? [];
    const response = await fetch(app.url + css);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(response.headers.get('content-type')).toBe('text/css; charset=utf-8');
    expect(await response.text()).toContain(`url(${svg})`);
    const head = await fetch(app.url + css, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([
      200,
      response.headers.get('content-length'),
      '',
    ]);
    const etag = response.headers.get('etag') ?? '';
    // Raw, because fetch asks for a fresh copy of its own accord.
    const again = `GET ${css} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nIf-None-Match: ${etag}\r\n\r\n`;
    expect(await app.raw(again)).toMatch(/^HTTP\/1.1 304 /);
    expect((await fetch(app.url + svg)).headers.get('content-security-policy')).toContain('sandbox');
    const posted = await fetch(app.url + css, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    for (const path of [
      '/assets/app.css',
      '/assets/app.0000000000000000.css',
      '/assets/../package.json',
      '/assets/%2e%2e/package.json',
    ]) {
      expect((await fetch(app.url + path)).status).toBe(404);
    }
    await app.stop();
  });
});

describe('health', () => {
  it('is alive whatever is broken, and ready only when every check passes', async () => {
    let database = true;
    const app = await start({ checks: { database: async () => database, slow: async () => true } });
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200);
    database = false;
    await wait(1100);
    expect((await fetch(`${app.url}/healthz`)).status).toBe(200);
    const response = await fetch(`${app.url}/readyz`);
    expect([response.status, await response.json()]).toEqual([
      503,
      { status: 'not ready', failing: ['database'] },
    ]);
    await app.stop();
  });

  it('stays ready, but degraded, while something is lost that it can do without', async () => {
    let redis = true;
    let database = true;
    const app = await start({ checks: { database: async () => database }, spares: { redis: () => redis } });
    const ask = async () => {
      const response = await fetch(`${app.url}/readyz`);
      return [response.status, await response.json()];
    };
    expect(await ask()).toEqual([200, { status: 'ready' }]);
    redis = false;
    expect(await ask()).toEqual([200, { status: 'degraded', degraded: ['redis'] }]);
    database = false;
    await wait(1100);
    expect(await ask()).toEqual([503, { status: 'not ready', failing: ['database'] }]);
    await app.stop();
  });

  it('runs its checks once a second, however many ask', async () => {
    let runs = 0;
    const database = async () => {
      runs += 1;
      await wait(50);
      return true;
    };
    const app = await start({ checks: { database } });
    await Promise.all(Array.from({ length: 5 }, () => fetch(`${app.url}/readyz`)));
    await fetch(`${app.url}/readyz`);
    expect(runs).toBe(1);
    await wait(1100);
    await fetch(`${app.url}/readyz`);
    expect(runs).toBe(2);
    await app.stop();
  });

  it('counts a check that throws or hangs as failing', async () => {
    const app = await start({
      checks: {
        throws: () => Promise.reject(new Error('no')),
        hangs: () => new Promise(() => {}),
      },
    });
    const response = await fetch(`${app.url}/readyz`);
    expect(await response.json()).toEqual({ status: 'not ready', failing: ['throws', 'hangs'] });
    await app.stop();
  });

  it('is not ready while draining', async () => {
    const app = await start();
    app.health.drain();
    const response = await fetch(`${app.url}/readyz`);
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '5']);
    await app.stop();
  });
});

it('metrics have their own listener, and the public address does not know them', async () => {
  const app = await start();
  await fetch(`${app.url}/healthz`);
  expect((await fetch(`${app.url}/metrics`)).status).toBe(404);
  const listener = await metricsListener({ metrics: app.metrics, host: '127.0.0.1', port: 0 });
  const text = await (await fetch(`http://127.0.0.1:${listener.port}/metrics`)).text();
  expect(text).toContain('gatehouse_http_requests_total{route="/healthz",method="GET",status="200"} 1');
  expect(text).toContain('gatehouse_http_request_duration_seconds_bucket');
  expect(text).toContain('process_cpu_seconds_total');
  expect((await fetch(`http://127.0.0.1:${listener.port}/`)).status).toBe(404);
  await listener.stop();
  await app.stop();
});

it('an unknown method does not become a label', async () => {
  const app = await start();
  await app.raw('PURGE /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const text = await app.metrics.text();
  expect(text).toContain('method="other"');
  expect(text).not.toContain('PURGE');
  await app.stop();
});

describe('stopping', () => {
  const slow = (milliseconds: number) => ({
    after: [
      async (ctx: { body: unknown }) => {
        await wait(milliseconds);
        ctx.body = 'finished';
      },
    ],
  });

  it('finishes what is running, closes kept connections and takes no new ones', async () => {
    const app = await start(slow(200));
    const running = app.raw('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await wait(50);
    const stopped = app.stop(5);
    await expect(fetch(`${app.url}/b`)).rejects.toThrow();
    const answer = await running;
    expect(answer).toContain('finished');
    expect(answer).toMatch(/connection: close/i);
    await stopped;
  });

  it('answers a request on a connection that was idle when the stop began, and closes it', async () => {
    const app = await start();
    const socket = connect(app.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => socket.once('close', resolve));
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
    await wait(50);
    const stopped = app.stop(5);
    socket.write('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n');
    await Promise.all([stopped, ended]);
    expect(text.match(/HTTP\/1.1 200 OK/g)).toHaveLength(2);
    expect(text).toMatch(/connection: close/i);
  });

  it('answers what had arrived on an idle connection while the process was busy', async () => {
    const answer = (_req: unknown, res: ServerResponse) => void res.end('fine');
    const settings = { host: '127.0.0.1', port: 0, log: silentLog, lingerMilliseconds: 20 };
    const listener = await listen(answer, settings);
    const socket = connect(listener.port, '127.0.0.1');
    const ended = new Promise((resolve) => socket.once('close', resolve));
    let heard = '';
    socket.on('data', (chunk) => {
      heard += String(chunk);
    });
    const asked = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
    socket.write(asked);
    await expect.poll(() => heard).toContain('fine');
    heard = '';
    // From here on timers come before what has arrived.
    await new Promise(setImmediate);
    const stopped = listener.stop(2);
    // It is on the wire at once; the server is held up until the time for idle connections is over.
    socket.write(asked);
    const until = performance.now() + 60;
    while (performance.now() < until);
    await Promise.all([stopped, ended]);
    expect(heard).toContain('fine');
  });

  it('keeps an idle connection until its next request when it is not in a hurry, and closes it with the answer', async () => {
    const listener = await listen((_, res) => res.end('fine'), {
      host: '127.0.0.1',
      port: 0,
      log: silentLog,
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = () =>
      new Promise<string | undefined>((resolve, reject) => {
        const sent = request({ port: listener.port, agent }, (response) => {
          response.resume().on('end', () => resolve(response.headers.connection));
        });
        sent.on('error', reject).end();
      });
    expect(await ask()).toBe('keep-alive');
    const stopped = listener.stop(5, { unhurried: true });
    // A hurried stop has closed it by then.
    await wait(600);
    expect(await ask()).toBe('close');
    const began = performance.now();
    await stopped;
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  it('cuts what is still running when the grace period is over', async () => {
    const app = await start(slow(5000));
    const running = app.raw('GET /a HTTP/1.1\r\nHost: a\r\n\r\n').catch(() => '');
    await wait(50);
    const began = performance.now();
    await app.stop(0.2);
    expect(performance.now() - began).toBeLessThan(1500);
    expect(await running).toBe('');
    expect(app.lines.some(({ message }) => message.startsWith('Cut what was still running'))).toBe(true);
  });
});

it('does not keep the answers of a client that does not take them', async () => {
  const waiting = new Set<unknown>();
  const answer = Buffer.alloc(8 * 1024 * 1024);
  const listener = await listen(
    (_, res) => {
      waiting.add(res);
      res.once('close', () => waiting.delete(res)).end(answer);
    },
    { host: '127.0.0.1', port: 0, log: silentLog, requestTimeoutSeconds: 1 },
  );
  const client = connect(listener.port, '127.0.0.1').pause();
  client.on('error', () => {});
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(50));
  try {
    await expect.poll(() => waiting.size).toBe(50);
    await expect.poll(() => waiting.size, { timeout: 8_000 }).toBe(0);
  } finally {
    client.destroy();
    await listener.stop(1);
  }
});

describe('requests that are no HTTP', () => {
  it.each([
    ['garbage', 'NONSENSE\r\n\r\n', 400],
    ['headers without end', `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
    ['two lengths', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400],
  ])('get an answer: %s', async (_what, bytes, status) => {
    const app = await start();
    const text = await app.raw(bytes);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(text).toContain('application/problem+json');
    await app.stop();
  });
});
