// The promises on limits and on what an operator sees, over HTTP and with real parts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MetricsListener, metricsListener } from '../src/platform/telemetry/metrics.ts';
import { useCluster } from './support/cluster.ts';
import { useGatehouse } from './support/gatehouse.ts';
import { createClient, createPerson } from './support/people.ts';
import { useRedis } from './support/redis.ts';
import { needs } from './support/tools.ts';

const PER_MINUTE = 60;
const BURST = PER_MINUTE / 2;

describe.skipIf(needs('redis-server'))('limits', () => {
  const redis = useRedis();
  const cluster = useCluster({
    size: 2,
    settings: { REDIS_URL: redis.url, LIMIT_TOKEN_PER_MINUTE: String(PER_MINUTE) },
  });

  const ask = (origin: string) =>
    fetch(`${origin}/token`, { method: 'POST', body: new URLSearchParams({ grant_type: 'none' }) });

  it('C11 gives one burst for all nodes, counted in Redis, then 429 with the time to wait, then a steady rate', async () => {
    const began = performance.now();
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, turn) => ask(cluster.origins[turn % 2] ?? '')),
    );
    const allowed = answers.filter(({ status }) => status !== 429);
    const refused = answers.find(({ status }) => status === 429);
    // While they were answered, one more for each second has become free.
    const steps = Math.ceil((performance.now() - began) / 1000);
    expect(allowed.length).toBeGreaterThanOrEqual(BURST - 4);
    expect(allowed.length).toBeLessThanOrEqual(BURST + steps + 1);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(refused?.headers.get('ratelimit-policy')).toBe(`"token";q=${PER_MINUTE};w=60`);
    expect(await refused?.json()).toMatchObject({ error: 'temporarily_unavailable', code: 'rate_limited' });
    const keys = await redis.redis.use((client) => client.keys('gatehouse:limit:token:*'));
    expect(keys?.value.length).toBe(1);

    await delay(2500);
    const later = await Promise.all(cluster.origins.map(ask));
    expect(later.map(({ status }) => status)).toContain(400);
    const atOnce = await Promise.all(Array.from({ length: 20 }, () => ask(cluster.issuer)));
    expect(atOnce.filter(({ status }) => status === 429).length).toBeGreaterThan(10);
  });
});

describe('what an operator sees', () => {
  const gatehouse = useGatehouse();
  let listener: MetricsListener;
  beforeAll(async () => {
    listener = await metricsListener({ metrics: gatehouse.services.metrics, host: '127.0.0.1', port: 0 });
  });
  afterAll(() => listener.stop());

  it('C14 numbers for Prometheus, and rules that turn a lockout or a reused token into an alert', async () => {
    const { services, issuer } = gatehouse;
    const person = await createPerson(services);
    for (let guess = 0; guess < 7; guess += 1) {
      await services.credentials.verify('password', {
        identifier: person.email ?? '',
        password: `no ${guess}`,
      });
    }
    const { client, secret } = await createClient(services, { kind: 'machine' });
    await fetch(`${issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client.id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });

    const text = await (await fetch(`http://127.0.0.1:${listener.port}/metrics`)).text();
    expect(text).toContain('gatehouse_ledger_events_total{type="lockout.started"} 1');
    expect(text).toMatch(/^gatehouse_sign_ins_total\{outcome="locked",method="password"\} [1-9]/m);
    expect(text).toContain('gatehouse_tokens_issued_total{grant_type="client_credentials"} 1');
    expect(text).toContain('gatehouse_http_requests_total{route="/token",method="POST",status="200"} 1');
    const rules = readFileSync(join(import.meta.dirname, '..', 'deploy/prometheus/alerts.yml'), 'utf8');
    expect(rules).toContain('gatehouse_ledger_events_total{type="lockout.started"}');
    expect(rules).toContain('refresh-token.reused');
  });
});
