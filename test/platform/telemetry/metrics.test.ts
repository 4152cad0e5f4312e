// /metrics prints what its table says, and goes on printing while something that is read does not answer.
import { describe, expect, it } from 'vitest';
import { aggregatedMetrics } from '../../../src/platform/telemetry/aggregate.ts';
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts';
import { createTimings } from '../../../src/platform/telemetry/timings.ts';
import { type MetricDefinition, metrics as table } from '../../../src/vocabulary/metrics.ts';
import { basic, post } from '../../flows/relying-party.ts';
import { useGatehouse } from '../../support/gatehouse.ts';
import { createApi, createClient, createPerson, password } from '../../support/people.ts';

const gatehouse = useGatehouse();
const definitions = Object.entries<MetricDefinition>(table);

/** Name → type and help, of our own metrics. */
function declared(text: string): Record<string, { type: string; help: string }> {
  const helps = new Map(
    [...text.matchAll(/^# HELP (gatehouse_\w+) (.*)$/gm)].map(([, name, help]) => [name, help]),
  );
  const types = [...text.matchAll(/^# TYPE (gatehouse_\w+) (\w+)$/gm)];
  return Object.fromEntries(
    types.map(([, name = '', type = '']) => [name, { type, help: helps.get(name) ?? '' }]),
  );
}

describe('the table of metrics', () => {
  it('is what a whole server prints, with nothing missing and nothing more', async () => {
    const expected = definitions.map(([name, { type, help }]) => [name, { type, help }]);
    expect(declared(await gatehouse.services.metrics.text())).toEqual(Object.fromEntries(expected));
  });

  it('has no label that is not in it', async () => {
    await fetch(`${gatehouse.issuer}/jwks`);
    const text = await gatehouse.services.metrics.text();
    for (const [name, { labels, type }] of definitions) {
      const known = type === 'histogram' ? [...labels, 'le'] : labels;
      const series = text.matchAll(new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{([^}]*)\\}`, 'gm'));
      for (const [, shown = ''] of series) {
        const names = [...shown.matchAll(/(\w+)="/g)].map(([, label]) => label);
        expect(known, name).toEqual(expect.arrayContaining(names));
      }
    }
  });

  it('names its metrics by what Prometheus expects of a name', () => {
    for (const [name, { type, labels }] of definitions) {
      expect(name).toMatch(/^gatehouse_[a-z][a-z0-9_]*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      for (const label of labels) expect(['job', 'instance', 'le', 'quantile']).not.toContain(label);
      if (type === 'histogram') expect(name).toMatch(/_seconds$/);
    }
  });
});

describe('numbers', () => {
  const value = async (series: string) => {
    const text = await gatehouse.services.metrics.text();
    const line = text.split('\n').find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.slice(series.length + 1));
  };

  it('count sign-ins by outcome, issued tokens by grant type, events and refusals', async () => {
    const { services, issuer } = gatehouse;
    const person = await createPerson(services);
    await services.credentials.verify('password', { identifier: person.email ?? '', password });
    await services.credentials.verify('password', { identifier: person.email ?? '', password: 'wrong one' });
    expect(await value('gatehouse_sign_ins_total{outcome="ok",method="password"}')).toBe(1);
    expect(await value('gatehouse_sign_ins_total{outcome="refused",method="password"}')).toBe(1);
    expect(await value('gatehouse_ledger_events_total{type="account.created"}')).toBe(1);

    const { audience } = await createApi(services);
    const apis = [{ audience, permissions: ['*'] }];
    const { client, secret } = await createClient(services, { kind: 'machine', apis });
    const fields = { grant_type: 'client_credentials', resource: audience };
    expect((await post(`${issuer}/token`, fields, basic(client, secret))).status).toBe(200);
    expect((await post(`${issuer}/token`, fields, basic(client, 'not-it'))).status).toBe(401);
    await fetch(`${issuer}/userinfo`, { headers: { authorization: 'Bearer nothing' } });
    expect(await value('gatehouse_tokens_issued_total{grant_type="client_credentials"}')).toBe(1);
    expect(await value('gatehouse_refusals_total{kind="client_authentication"}')).toBe(1);
    expect(await value('gatehouse_refusals_total{kind="userinfo"}')).toBe(1);
    expect(await value('gatehouse_request_waits_total{part="database"}')).toBeGreaterThan(0);
    expect(await value('gatehouse_request_wait_seconds_count{part="signing"}')).toBe(1);
    expect(await value('gatehouse_database_connections{state="free"}')).toBeGreaterThan(0);
    expect(await value('gatehouse_signing_key_age_seconds{algorithm="ES256"}')).toBeGreaterThan(0);
  });

  it('count who runs into a limit by the name of the limit', async () => {
    const metrics = createMetrics();
    metrics.count('gatehouse_limit_refusals_total', { limit: 'token' });
    metrics.count('gatehouse_limit_refusals_total', { limit: 'token' }, 2);
    expect(await metrics.text()).toContain('gatehouse_limit_refusals_total{limit="token"} 3');
  });

  it('leave out what cannot be read, and print the rest', async () => {
    const metrics = createMetrics();
    metrics.read('gatehouse_ledger_waiting', () => Promise.reject(new Error('away')));
    metrics.read('gatehouse_signing_key_age_seconds', () => new Promise(() => {}));
    metrics.read('gatehouse_password_hashing', () => ({ running: 2, waiting: 0 }));
    const text = await metrics.text();
    expect(text).not.toMatch(/^gatehouse_ledger_waiting/m);
    expect(text).not.toMatch(/^gatehouse_signing_key_age_seconds/m);
    expect(text).toContain('gatehouse_password_hashing{state="running"} 2');
  });

  it('say nothing of Redis where there is none, rather than that it is down', async () => {
    expect(await createMetrics().text()).not.toMatch(/^gatehouse_redis_up/m);
  });

  it('forget a value of a label that is not read any more', async () => {
    const metrics = createMetrics();
    let jobs: Record<string, number> = { old: 1 };
    metrics.read('gatehouse_job_failures_total', () => jobs);
    await metrics.text();
    jobs = { new: 1 };
    const text = await metrics.text();
    expect(text).toContain('gatehouse_job_failures_total{job_name="new"} 1');
    expect(text).not.toContain('job_name="old"');
  });

  it('of several workers become one number, each as the table says', async () => {
    const worker = (age: number, waiting: number, redis: number) => {
      const metrics = createMetrics();
      metrics.read('gatehouse_signing_key_age_seconds', () => ({ ES256: age }));
      metrics.read('gatehouse_ledger_waiting', () => waiting);
      metrics.read('gatehouse_redis_up', () => redis);
      metrics.beginRequest();
      metrics.observeRequest({
        route: '/jwks',
        method: 'GET',
        status: 200,
        milliseconds: 2,
        timings: createTimings(false),
      });
      return metrics.registry.getMetricsAsJSON();
    };
    const both = await Promise.all([worker(100, 3, 1), worker(90, 4, 0)]);
    const text = await aggregatedMetrics({ metrics: async () => both as never, restarts: () => 3 }).text();
    expect(text).toContain('gatehouse_signing_key_age_seconds{algorithm="ES256"} 100');
    expect(text).toContain('gatehouse_ledger_waiting 7');
    expect(text).toContain('gatehouse_redis_up 0');
    expect(text).toContain('gatehouse_http_requests_total{route="/jwks",method="GET",status="200"} 2');
    expect(text).toContain('gatehouse_http_request_duration_seconds_count{route="/jwks",method="GET"} 2');
    // Each worker says 0; only the primary knows.
    expect(text).toMatch(/^gatehouse_worker_restarts_total 3$/m);
  });
});
