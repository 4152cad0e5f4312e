// Builds every feature once, in floor order: read it as the table of contents of the server.
import { type Access, createAccess } from './access/access.ts';
import { permissionsOfTeam } from './access/memberships.ts';
import { createResources, type Resources } from './access/resources.ts';
import { type Account, type Accounts, createAccounts, profileFrom } from './accounts/accounts.ts';
import { type ApiKeys, createApiKeys } from './api-keys/api-keys.ts';
import { type Apis, createApis } from './apis/apis.ts';
import type { Actor } from './audit/audit.ts';
import { recordRefusedCalls } from './audit/counted.ts';
import { auditJobs } from './audit/jobs.ts';
import { type Authzen, createAuthzen } from './authzen/authzen.ts';
import { type Budgets, createBudgets } from './budgets/budgets.ts';
import { type Clients, clientsUseApi, createClients } from './clients/clients.ts';
import { type Compromise, createCompromise } from './compromise/compromise.ts';
import { createFoundations, type Foundations, type Opened } from './foundations.ts';
import { createGateway, type Gateway } from './gateway/gateway.ts';
import { createScheduler, type Scheduler } from './jobs/jobs.ts';
import type { AccountId } from './lib/ids.ts';
import { createMasterKey, type MasterKey } from './master-key/master-key.ts';
import { readServices } from './numbers.ts';
import { createOidc, type Oidc } from './oidc/oidc.ts';
import { createOrganizations, type Organizations } from './organizations/organizations.ts';
import { registerOwn } from './own-registrations.ts';
import { createPeople, type People, peopleJobs } from './people.ts';
import { createIdempotency, type Idempotency } from './platform/api/idempotency.ts';
import type { Config } from './platform/config/load.ts';
import type { Db } from './platform/database/postgres.ts';
import { createOutgoingFetch } from './platform/fetch.ts';
import type { Job } from './platform/jobs/jobs.ts';
import { limitJobs } from './platform/limits/postgres-store.ts';
import { createPeppers } from './platform/secrets/peppers.ts';
import { createSeal } from './platform/secrets/seal.ts';
import { createLogoutNotices, createSessions, type Sessions } from './sessions/sessions.ts';
import { createOwner, type Owner } from './setup/owner.ts';
import { createSetup, type Setup } from './setup/setup.ts';
import { createSigningKeys, type SigningKeys } from './signing-keys/signing-keys.ts';
import { createUsage, type Usage } from './usage/usage.ts';

export interface Services extends Foundations, People {
  accounts: Accounts;
  apis: Apis;
  signingKeys: SigningKeys;
  masterKey: MasterKey;
  clients: Clients;
  organizations: Organizations;
  access: Access;
  resources: Resources;
  apiKeys: ApiKeys;
  budgets: Budgets;
  usage: Usage;
  compromise: Compromise;
  oidc: Oidc;
  sessions: Sessions;
  gateway: Gateway;
  authzen: Authzen;
  idempotency: Idempotency;
  setup: Setup;
  owner: Owner;
  jobs: Job[];
  scheduler: Scheduler;
}

export async function createServices(config: Config, opened: Opened): Promise<Services> {
  const foundations = await createFoundations(config, opened);
  const { postgres, redis, log, clock, audit, changes, metrics, vault, serverSecrets, handleSeal } =
    foundations;
  const { limits, keyLimits, managementAudience } = foundations;
  const { db } = postgres;

  // Engine state lives on a higher floor, but what ends with an account or a client ends in the same transaction.
  const ended = { state: undefined as Oidc['state'] | undefined };
  const endAccountState = async (trx: Db, accountId: AccountId) => {
    await ended.state?.endAccount(trx, accountId);
    await people.devices.forgetAll(trx, accountId);
  };
  const endOtherState = async (trx: Db, accountId: AccountId, sessionId: string) =>
    ended.state?.endOthers(trx, accountId, sessionId);
  const emailLeft = async (trx: Db, before: Account, by: Actor) => {
    await people.recovery.email.left(trx, before, by);
  };
  const removing = async (trx: Db, id: AccountId, by: Actor) => people.deletion.removing(trx, id, by);
  const profile = profileFrom(config.profile);
  const heard = { endAccountState, emailLeft, removing };
  const accounts = createAccounts({ postgres, audit, clock, ...heard, changes, profile });
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
  const clients = createClients({
    postgres,
    audit,
    changes,
    clock,
    apis,
    secretKey: serverSecrets.get('token'),
    async endClientState(trx, clientId) {
      await ended.state?.endClient(trx, clientId);
      await keys.built?.forgetClient(trx, clientId);
    },
  });
  const organizations = createOrganizations({
    postgres,
    audit,
    changes,
    clock,
    revokeKeysOf: async (trx, { accountId, organizationId }, by) =>
      keys.built?.revokeAllOf(trx, accountId, by, organizationId),
    permissionsOfTeam,
  });
  // Keys live on a higher floor; what one may do is asked there.
  const keys = { built: undefined as ApiKeys | undefined };
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
    permissionsOfKey: async (keyId) => keys.built?.permissionsOf(keyId),
  });
  const people = createPeople({
    ...foundations,
    accounts,
    clients,
    organizations,
    access,
    endAccountState,
    endOtherState,
  });

  await signingKeys.start();
  await apis.start();
  clients.start();
  organizations.start();
  access.start();
  resources.start();

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
  keys.built = apiKeys;
  await apiKeys.start();
  const usage = createUsage({ db, clock, log, settings: config.retention });
  const budgets = createBudgets({ postgres, audit, changes, clock, usage, settings: config.retention });
  const logoutNotices = createLogoutNotices({ wanted: clients.wantLogout });
  const oidc = createOidc({
    config,
    postgres,
    audit,
    log,
    metrics,
    accounts,
    assurance: people.assurance,
    passwords: people.credentials.passwords,
    devices: people.devices,
    organizations,
    access,
    apiKeys,
    apis,
    clients,
    signingKeys,
    serverSecrets,
    handleSeal,
    renderer: foundations.renderer,
    i18n: foundations.i18n,
    outgoingFetch: createOutgoingFetch(config.outgoing),
    changes,
    redis,
    logoutNotices,
    usage,
    limits,
    keyLimits,
  });
  await oidc.start();
  ended.state = oidc.state;
  const sessions = createSessions({ postgres, audit, changes, clock, log, oidc, notices: logoutNotices });
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
    limits,
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
  const setup = createSetup({ postgres, audit, accounts, credentials: people.credentials });
  const owner = createOwner({ postgres, audit, accounts, apiKeys });
  await registerOwn({
    apis,
    clients,
    audience: managementAudience,
    issuer: config.issuer,
    productName: config.branding.productName,
  });

  const jobs = [
    ...limitJobs(db),
    ...auditJobs({ db, clock, log, audit, settings: config.retention }),
    ...peopleJobs(people),
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
    ...foundations,
    ...people,
    accounts,
    apis,
    signingKeys,
    masterKey,
    clients,
    organizations,
    access,
    resources,
    apiKeys,
    budgets,
    usage,
    compromise: createCompromise({
      apiKeys,
      audit,
      usage,
      clock,
      log,
      settings: config.leakReports,
      request: fetch,
    }),
    oidc,
    sessions,
    gateway,
    authzen,
    idempotency,
    setup,
    owner,
    jobs,
    scheduler: createScheduler({ db, log, audit, metrics }, jobs),
  };
  readServices(services);
  return services;
}
