// The alerts speak of metrics that there are, and go off when they should; the last by Prometheus' own tool, where it is.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { events } from '../../src/vocabulary/events.ts';
import { type MetricDefinition, metrics } from '../../src/vocabulary/metrics.ts';
import { useFolders } from '../support/folder.ts';
import { find, needs } from '../support/tools.ts';

const path = join(import.meta.dirname, '..', '..', 'deploy', 'prometheus', 'alerts.yml');
const text = readFileSync(path, 'utf8');
const table: Readonly<Record<string, MetricDefinition>> = metrics;
const newFolder = useFolders();
const promtool = find('promtool');

describe('the alerts', () => {
  it('speak only of metrics and labels that there are', () => {
    const used = [...text.matchAll(/\b(gatehouse_\w+?)(?:_bucket|_count|_sum)?(?:\{([^}]*)\})?(?=[\s[)])/g)];
    expect(used.length).toBeGreaterThan(15);
    for (const [, name = '', labels = ''] of used) {
      expect(Object.keys(table)).toContain(name);
      const names = [...labels.matchAll(/(\w+)(?==|!)/g)].map(([, label]) => label);
      expect(table[name]?.labels, name).toEqual(expect.arrayContaining(names));
    }
  });

  it('speak only of events that there are', () => {
    const types = [...text.matchAll(/type=~?"([^"]+)"/g)].flatMap(([, list = '']) => list.split('|'));
    expect(Object.keys(events)).toEqual(expect.arrayContaining(types));
  });

  it('are all told of in the page for operators', () => {
    const page = readFileSync(
      join(import.meta.dirname, '..', '..', 'docs/operations/observability.md'),
      'utf8',
    );
    const names = [...text.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

/** What Prometheus sees over time (`start+stepxtimes`, one value a minute), and the alert that must be on at the end. */
const stories: readonly [alert: string, minutes: number, ...series: [name: string, values: string][]][] = [
  ['GatehouseDown', 3, ['up{job="gatehouse"}', '1 0x5']],
  ['GatehouseNotReady', 6, ['gatehouse_http_requests_total{route="/readyz",status="503"}', '0+6x10']],
  ['GatehouseDatabaseDown', 3, ['gatehouse_database_up', '1 0x5']],
  [
    'GatehouseServerErrors',
    15,
    ['gatehouse_http_requests_total{route="/token",status="200"}', '0+100x20'],
    ['gatehouse_http_requests_total{route="/token",status="500"}', '0+5x20'],
  ],
  ['GatehouseRedisDown', 4, ['gatehouse_redis_up', '1 0x5']],
  ['GatehouseLockouts', 15, ['gatehouse_ledger_events_total{type="lockout.started"}', '0+3x20']],
  [
    'GatehouseRefreshTokenReused',
    4,
    ['gatehouse_ledger_events_total{type="refresh-token.reused"}', '0 0 1 1 1'],
  ],
  ['GatehouseJobNotSucceeded', 8, ['gatehouse_job_consecutive_failures{job_name="purge"}', '3x20']],
  ['GatehouseLedgerQueueGrows', 8, ['gatehouse_ledger_waiting', '0+500x20']],
  ['GatehouseHashingQueueGrows', 8, ['gatehouse_password_hashing{state="waiting"}', '0 40x12']],
  ['GatehouseSigningKeyOld', 65, ['gatehouse_signing_key_age_seconds{algorithm="ES256"}', '8700000x70']],
  ['GatehouseLogoutDeliveriesWaiting', 20, ['gatehouse_logout_deliveries{state="waiting"}', '200x30']],
];

describe.skipIf(needs('promtool'))('the alerts, by promtool', () => {
  it('are rules that Prometheus takes', () => {
    expect(execFileSync(promtool ?? '', ['check', 'rules', path], { encoding: 'utf8' })).toContain('SUCCESS');
  });

  it.each(stories)('%s goes off, and is quiet before', (alert, minutes, ...series) => {
    const inputs = series.map(([name, values]) => ({ series: name, values }));
    const at = (time: number, on: boolean) => ({
      expr: `count(ALERTS{alertname="${alert}",alertstate="firing"}) or vector(0)`,
      eval_time: `${time}m`,
      exp_samples: [{ labels: '{}', value: on ? 1 : 0 }],
    });
    // JSON is YAML.
    const file = join(newFolder(), 'story.yml');
    const story = {
      interval: '1m',
      input_series: inputs,
      promql_expr_test: [at(0, false), at(minutes, true)],
    };
    writeFileSync(file, JSON.stringify({ rule_files: [path], evaluation_interval: '30s', tests: [story] }));
    expect(execFileSync(promtool ?? '', ['test', 'rules', file], { encoding: 'utf8' })).toContain('SUCCESS');
  });
});
