// What every feature stands on, built once: clock, secrets, changes, limits, pages, and the ledger.
import { type Audit, createAudit } from './audit/audit.ts';
import { countRefusedForms, countRefusedRequests } from './audit/counted.ts';
import { countEvents, countLimits } from './numbers.ts';
import { createPages } from './pages.ts';
import { type Changes, createChanges } from './platform/changes.ts';
import { type Clock, systemClock } from './platform/clock.ts';
import type { Config } from './platform/config/load.ts';
import type { Postgres } from './platform/database/postgres.ts';
import type { Carrier } from './platform/http/carried.ts';
import type { Csrf } from './platform/http/csrf.ts';
import type { Branding, PageRenderer } from './platform/http/render-page.ts';
import type { Site } from './platform/http/site.ts';
import type { Assets } from './platform/http/static.ts';
import type { I18n } from './platform/i18n.ts';
import { createKeyLimits, type KeyLimits } from './platform/limits/key-limits.ts';
import { createPostgresStore } from './platform/limits/postgres-store.ts';
import { createLimits, type Limits } from './platform/limits/rate-limit.ts';
import { createRedisStore } from './platform/limits/redis-store.ts';
import type { Redis } from './platform/redis/redis.ts';
import { openVault } from './platform/secrets/open-vault.ts';
import { createSeal, type Seal } from './platform/secrets/seal.ts';
import { loadServerSecrets, type ServerSecrets } from './platform/secrets/server-secrets.ts';
import type { Vault } from './platform/secrets/vault.ts';
import type { Log } from './platform/telemetry/log.ts';
import { createMetrics, type Metrics } from './platform/telemetry/metrics.ts';
import type { Tracing } from './platform/telemetry/tracing.ts';
import type { Views } from './platform/views.ts';

/** What is opened before, and closed by whoever opened it. */
export interface Opened {
  postgres: Postgres;
  redis?: Redis | undefined;
  log: Log;
  clock?: Clock;
  tracing?: Tracing | undefined;
}

export interface Foundations {
  config: Config;
  clock: Clock;
  log: Log;
  metrics: Metrics;
  /** Undefined unless a receiver of traces is set. */
  tracing: Tracing | undefined;
  postgres: Postgres;
  /** Undefined without REDIS_URL. */
  redis: Redis | undefined;
  vault: Vault;
  serverSecrets: ServerSecrets;
  /** Opens the handle that every JWT access token carries. */
  handleSeal: Seal;
  changes: Changes;
  site: Site;
  i18n: I18n;
  assets: Assets;
  csrf: Csrf;
  carrier: Carrier;
  renderer: PageRenderer;
  views: Views;
  /** How pages and mails look: the branding, and the colours that follow from it. */
  look: Branding;
  /** What they refuse is counted in the ledger and the metrics. */
  limits: Limits;
  /** The limits that keys and clients bring along. */
  keyLimits: KeyLimits;
  audit: Audit;
  /** What tokens for the management API name as their audience. */
  managementAudience: string;
}

export async function createFoundations(config: Config, opened: Opened): Promise<Foundations> {
  const { postgres, redis, log } = opened;
  const { db } = postgres;
  const clock = opened.clock ?? systemClock;
  const metrics = createMetrics();
  const vault = await openVault(db, config.secrets);
  const serverSecrets = await loadServerSecrets(db, vault);
  const pages = createPages(config, serverSecrets);
  const store = redis === undefined ? createPostgresStore(db) : createRedisStore(redis);
  const audit = countEvents(createAudit({ postgres, log, clock }), metrics);
  const limits = createLimits(config.limits, { store, log });
  return {
    config,
    clock,
    log,
    metrics,
    tracing: opened.tracing,
    postgres,
    redis,
    vault,
    serverSecrets,
    handleSeal: createSeal(serverSecrets.get('handle')),
    changes: createChanges({ db, log, listen: postgres.listen, redis }),
    ...pages,
    csrf: countRefusedForms(pages.csrf, audit),
    limits: countLimits(countRefusedRequests(limits, audit), metrics),
    keyLimits: createKeyLimits({ store, log }),
    audit,
    managementAudience: `${config.issuer}/api`,
  };
}
