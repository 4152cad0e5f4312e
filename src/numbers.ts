// What /metrics tells of the services: gauges that are read when asked for, and what is counted on its way through a face.
import packageFile from '../package.json' with { type: 'json' };
import type { Audit } from './audit/audit.ts';
import type { Credentials } from './credentials/credentials.ts';
import type { Messages } from './messages/messages.ts';
import type { Clock } from './platform/clock.ts';
import type { Postgres } from './platform/database/postgres.ts';
import type { Limits } from './platform/limits/rate-limit.ts';
import type { Redis } from './platform/redis/redis.ts';
import type { Metrics } from './platform/telemetry/metrics.ts';
import type { Tracing } from './platform/telemetry/tracing.ts';
import type { Sessions } from './sessions/sessions.ts';
import type { SigningKeys } from './signing-keys/signing-keys.ts';

interface Read {
  metrics: Metrics;
  postgres: Postgres;
  redis: Redis | undefined;
  credentials: Credentials;
  audit: Audit;
  signingKeys: SigningKeys;
  sessions: Sessions;
  messages: Messages;
  tracing: Tracing | undefined;
  clock: Clock;
}

export function readServices(services: Read): void {
  const { metrics, postgres, redis, credentials, audit, signingKeys, sessions, messages, tracing, clock } =
    services;
  metrics.read('gatehouse_info', () => ({ [packageFile.version]: 1 }));
  metrics.read('gatehouse_database_up', async () => ((await postgres.health()) ? 1 : 0));
  metrics.read('gatehouse_database_connections', () => ({ ...postgres.connections() }));
  metrics.read('gatehouse_password_hashing', () => ({ ...credentials.hashing() }));
  metrics.read('gatehouse_logout_deliveries', sessions.countDeliveries);
  metrics.read('gatehouse_messages', messages.count);
  metrics.read('gatehouse_ledger_waiting', () => audit.waiting());
  metrics.read('gatehouse_signing_key_age_seconds', () => {
    const signing = signingKeys.snapshot().filter(({ state }) => state === 'current');
    const now = clock.now().getTime();
    return Object.fromEntries(
      signing.map(({ algorithm, createdAt }) => [algorithm, (now - createdAt.getTime()) / 1000]),
    );
  });
  if (redis !== undefined) metrics.read('gatehouse_redis_up', () => (redis.state() === 'up' ? 1 : 0));
  if (tracing !== undefined) metrics.read('gatehouse_trace_spans_lost_total', () => tracing.lost());
}

type Counting = Pick<Metrics, 'count'>;

export function countEvents(audit: Audit, metrics: Counting): Audit {
  return {
    ...audit,
    async record(db, event) {
      await audit.record(db, event);
      metrics.count('gatehouse_ledger_events_total', { type: event.type });
    },
    written(event) {
      audit.written(event);
      metrics.count('gatehouse_ledger_events_total', { type: event.type });
    },
    async append(event) {
      await audit.append(event);
      metrics.count('gatehouse_ledger_events_total', { type: event.type });
    },
    refuse(kind, reason) {
      audit.refuse(kind, reason);
      metrics.count('gatehouse_refusals_total', { kind });
    },
  };
}

export function countSignIns(credentials: Credentials, metrics: Counting): Credentials {
  return {
    ...credentials,
    async verify(method, proof) {
      const result = await credentials.verify(method, proof);
      metrics.count('gatehouse_sign_ins_total', { outcome: result.kind, method });
      return result;
    },
  };
}

export function countLimits(limits: Limits, metrics: Counting): Limits {
  return {
    ...limits,
    async take(name, key) {
      const verdict = await limits.take(name, key);
      if (verdict?.allowed === false) metrics.count('gatehouse_limit_refusals_total', { limit: name });
      return verdict;
    },
  };
}
