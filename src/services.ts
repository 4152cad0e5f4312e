// Builds every feature once, in floor order: read it as the table of contents of the server.
import { type Access, type AccessDeps, createAccess } from './access/access.ts';
import { forgetAssignments, permissionsOfTeam } from './access/memberships.ts';
import { createResources, type Resources } from './access/resources.ts';
import { type Accounts, createAccounts } from './accounts/accounts.ts';
import { type ApiKeys, createApiKeys } from './api-keys/api-keys.ts';
import { type Apis, createApis } from './apis/apis.ts';
import { type Audit, createAudit } from './audit/audit.ts';
import { countRefusedForms, countRefusedRequests, recordRefusedCalls } from './audit/counted.ts';
import { auditJobs } from './audit/jobs.ts';
import { type Authzen, createAuthzen } from './authzen/authzen.ts';
import { type Budgets, createBudgets } from './budgets/budgets.ts';
import { type Clients, clientsUseApi, createClients } from './clients/clients.ts';
import { createBreachCheck } from './credentials/breached.ts';
import { type Credentials, createCredentials } from './credentials/credentials.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import { createScheduler, type Scheduler } from './jobs/jobs.ts';
import type { AccountId } from './lib/ids.ts';
import { createLockout, type Lockout } from './lockout/lockout.ts';
import { createMasterKey, type MasterKey } from './master-key/master-key.ts';
import { countEvents, countLimits, countSignIns, readServices } from './numbers.ts';
import { createOidc, type Oidc } from './oidc/oidc.ts';
import { createOrganizations, type Organizations } from './organizations/organizations.ts';
import { createPages } from './pages.ts';
import { createIdempotency, type Idempotency } from './platform/api/idempotency.ts';
import { type Changes, createChanges } from './platform/changes.ts';
import { type Clock, systemClock } from './platform/clock.ts';
import type { Config } from './platform/config/load.ts';
import type { Db, Postgres } from './platform/database/postgres.ts';
import { createOutgoingFetch } from './platform/fetch.ts';
import type { Csrf } from './platform/http/csrf.ts';
import type { PageRenderer } from './platform/http/render-page.ts';
import type { Site } from './platform/http/site.ts';
import type { Assets } from './platform/http/static.ts';
import type { I18n } from './platform/i18n.ts';
import type { Job } from './platform/jobs/jobs.ts';
import { createKeyLimits, type KeyLimits } from './platform/limits/key-limits.ts';
import { createPostgresStore, limitJobs } from './platform/limits/postgres-store.ts';
import { createLimits, type Limits } from './platform/limits/rate-limit.ts';
import { createRedisStore } from './platform/limits/redis-store.ts';
import type { Redis } from './platform/redis/redis.ts';
import { openVault } from './platform/secrets/open-vault.ts';
import { createPeppers } from './platform/secrets/peppers.ts';
import { createSeal, type Seal } from './platform/secrets/seal.ts';
import { loadServerSecrets, type ServerSecrets } from './platform/secrets/server-secrets.ts';
import type { Vault } from './platform/secrets/vault.ts';
import type { Log } from './platform/telemetry/log.ts';
import { createMetrics, type Metrics } from './platform/telemetry/metrics.ts';
import type { Tracing } from './platform/telemetry/tracing.ts';
import { createLogoutNotices, createSessions, type Sessions } from './sessions/sessions.ts';
import { createOwner, type Owner } from './setup/owner.ts';
import { createSetup, type Setup } from './setup/setup.ts';
import { createSigningKeys, type SigningKeys } from './signing-keys/signing-keys.ts';
import { createUsage, type Usage } from './usage/usage.ts';
import { everyone, permissions } from './vocabulary/permissions.ts';

export interface Services {
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
  changes: Changes;
  site: Site;
  i18n: I18n;
  assets: Assets;
  csrf: Csrf;
  renderer: PageRenderer;
  limits: Limits;
  /** The limits that keys and clients bring along. */
  keyLimits: KeyLimits;
  audit: Audit;
  accounts: Accounts;
  apis: Apis;
  signingKeys: SigningKeys;
  masterKey: MasterKey;
  lockout: Lockout;
  clients: Clients;
  organizations: Organizations;
  access: Access;
  resources: Resources;
  credentials: Credentials;
  apiKeys: ApiKeys;
  budgets: Budgets;
  usage: Usage;
  oidc: Oidc;
  sessions: Sessions;
  gateway: Gateway;
  /** What tokens for the management API name as their audience. */
  managementAudience: string;
  authzen: Authzen;
  idempotency: Idempotency;
  /** Opens the handle that every JWT access token carries. */
  handleSeal: Seal;
  setup: Setup;
  owner: Owner;
  jobs: Job[];
  scheduler: Scheduler;
}

export async function createServices(
  config: Config,
  deps: {
    postgres: Postgres;
    redis?: Redis | undefined;
    log: Log;
    clock?: Clock;
    tracing?: Tracing | undefined;
  },
): Promise<Services> {
  const { postgres, redis, log } = deps;
  const { db } = postgres;
  const clock = deps.clock ?? systemClock;
  const metrics = createMetrics();
  const vault = await openVault(db, config.secrets);
  const serverSecrets = await loadServerSecrets(db, vault);
  const changes = createChanges({ db, log, listen: postgres.listen, redis });
  const pages = createPages(config, serverSecrets);
  const store = redis === undefined ? createPostgresStore(db) : createRedisStore(redis);
  const limits = createLimits(config.limits, { store, log });
  const audit = countEvents(createAudit({ postgres, log, clock }), metrics);

  // Engine state lives on a higher floor, but what ends with an account or a client ends in the same transaction.
  const ended = { state: undefined as Oidc['state'] | undefined };
  const endAccountState = async (trx: Db, accountId: AccountId) => ended.state?.endAccount(trx, accountId);
  const accounts = createAccounts({ postgres, audit, clock, endAccountState, changes });
  const apis = createApis({ postgres, audit, changes, clock, isUsed: clientsUseApi });
  const signingKeys = createSigningKeys({
    postgres,
    vault,
    audit,
    changes,
    clock,
    settings: config.signingKeys,
  });
  const masterKey = createMasterKey({
    postgres,
    vault,
    audit,
    changes,
    clock,
    log,
    settings: config.secrets,
  });
  const lockout = createLockout({
    postgres,
    audit,
    clock,
    identifierKey: serverSecrets.get('identifier'),
    settings: config.lockout,
  });
  const clients = createClients({
    postgres,
    audit,
    changes,
    clock,
    apis,
    secretKey: serverSecrets.get('token'),
    endClientState: async (trx, clientId) => ended.state?.endClient(trx, clientId),
  });
  const organizations = createOrganizations({
    postgres,
    audit,
    changes,
    clock,
    forgetAssignments,
    permissionsOfTeam,
  });
  // Keys live on a higher floor; what one may do is asked there.
  const keys = { permissionsOf: undefined as AccessDeps['permissionsOfKey'] | undefined };
  const resources = createResources({ postgres, audit, changes, clock });
  const access = createAccess({
    postgres,
    audit,
    changes,
    clock,
    accounts,
    apis,
    clients,
    resources,
    permissionsOfKey: async (keyId) => keys.permissionsOf?.(keyId),
  });
  const { breachedHookUrl } = config.passwords;
  const passwords = createCredentials({
    postgres,
    audit,
    clock,
    log,
    accounts,
    lockout,
    endAccountState,
    settings: {
      ...config.passwords,
      maximumConsecutiveFailures: config.lockout.maximumConsecutiveFailures,
    },
    contextWords: [config.branding.productName, pages.site.host],
    ...(breachedHookUrl === undefined
      ? {}
      : { isBreached: createBreachCheck({ ...config.passwords, breachedHookUrl }, fetch) }),
  });
  const credentials = countSignIns(passwords, metrics);

  await signingKeys.start();
  await apis.start();
  clients.start();
  organizations.start();
  access.start();
  resources.start();

  const keyLimits = createKeyLimits({ store, log });
  const apiKeys = createApiKeys({
    postgres,
    audit,
    changes,
    clock,
    log,
    accounts,
    apis,
    owners: { factsOf: access.factsOf, organization: organizations.known, client: clients.known },
    limits: keyLimits,
    peppers: createPeppers({ db, vault, name: 'api-key', first: serverSecrets.get('api-key') }),
    settings: config.apiKeys,
  });
  keys.permissionsOf = apiKeys.permissionsOf;
  await apiKeys.start();
  const usage = createUsage({ db, clock, log, settings: config.retention });
  const budgets = createBudgets({ postgres, audit, changes, clock, usage, settings: config.retention });
  const handleSeal = createSeal(serverSecrets.get('handle'));
  const logoutNotices = createLogoutNotices({ wanted: clients.wantLogout });
  const oidc = createOidc({
    config,
    postgres,
    audit,
    log,
    metrics,
    accounts,
    organizations,
    access,
    apiKeys,
    apis,
    clients,
    signingKeys,
    serverSecrets,
    handleSeal,
    renderer: pages.renderer,
    i18n: pages.i18n,
    outgoingFetch: createOutgoingFetch(config.outgoing),
    changes,
    redis,
    logoutNotices,
    usage,
  });
  await oidc.start();
  ended.state = oidc.state;
  const sessions = createSessions({ postgres, audit, changes, clock, log, oidc, notices: logoutNotices });
  const managementAudience = `${config.issuer}/api`;
  const counted = countLimits(countRefusedRequests(limits, audit), metrics);
  const gateway = createGateway({
    issuer: config.issuer,
    audience: managementAudience,
    settings: config.gateway,
    trustedProxies: config.http.trustedProxies,
    tokens: oidc.tokens,
    apiKeys,
    access,
    apis,
    clients,
    organizations,
    budgets,
    usage,
    limits: counted,
    keyLimits,
    audit,
    log,
    noteRefusal: recordRefusedCalls(audit),
  });
  const authzen = createAuthzen({
    db,
    clock,
    seal: handleSeal,
    access,
    accounts,
    organizations,
    resources,
  });
  const idempotency = createIdempotency({
    db,
    seal: createSeal(serverSecrets.get('idempotency')),
    async wasDone({ since: from, ...act }) {
      const { items } = await audit.list({ ...act, from }, { limit: 1, cursor: null });
      return items.length > 0;
    },
  });
  const setup = createSetup({ postgres, audit, accounts, credentials });
  const owner = createOwner({ postgres, audit, accounts, apiKeys });
  await registerOwn({ apis, clients, audience: managementAudience });

  const jobs = [
    ...limitJobs(db),
    ...auditJobs({ db, clock, log, audit, settings: config.retention }),
    ...lockout.jobs(),
    ...signingKeys.jobs(),
    ...masterKey.jobs(),
    ...oidc.jobs(),
    ...sessions.jobs(),
    ...idempotency.jobs(),
    ...apiKeys.jobs(),
    ...budgets.jobs(),
    ...usage.jobs(),
  ];

  const services = {
    config,
    clock,
    log,
    metrics,
    tracing: deps.tracing,
    postgres,
    redis,
    vault,
    serverSecrets,
    changes,
    ...pages,
    csrf: countRefusedForms(pages.csrf, audit),
    limits: counted,
    keyLimits,
    audit,
    accounts,
    apis,
    signingKeys,
    masterKey,
    lockout,
    clients,
    organizations,
    access,
    resources,
    credentials,
    apiKeys,
    budgets,
    usage,
    oidc,
    sessions,
    gateway,
    managementAudience,
    authzen,
    idempotency,
    handleSeal,
    setup,
    owner,
    jobs,
    scheduler: createScheduler({ db, log, audit, metrics }, jobs),
  };
  readServices(services);
  return services;
}

/** The management API is an API of the server like any other, and the command line a client like any other. */
async function registerOwn(deps: { apis: Apis; clients: Clients; audience: string }): Promise<void> {
  await deps.apis.ensureSystem({
    audience: deps.audience,
    name: 'Management API',
    permissions: Object.entries(permissions).map(([name, sentence]) => ({
      name,
      sentence,
      everyone: everyone.some((one) => one === name),
    })),
  });
  await deps.clients.ensureSystem({
    id: 'gatehouse-cli',
    name: 'Gatehouse command line',
    kind: 'native',
    grantTypes: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    scopes: ['openid', 'profile', 'email', 'offline_access'],
    apis: [{ audience: deps.audience, permissions: ['*'] }],
  });
}
