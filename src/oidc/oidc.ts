// The face of the protocol engine: one provider built from the parts of this folder, swapped when the signing keys change.
import compose from 'koa-compose';
import { Provider } from 'oidc-provider';
import type { Access } from '../access/access.ts';
import type { Accounts } from '../accounts/accounts.ts';
import type { ApiKeys } from '../api-keys/api-keys.ts';
import type { Apis } from '../apis/apis.ts';
import type { Assurance } from '../assurance/assurance.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clients } from '../clients/clients.ts';
import type { Organizations } from '../organizations/organizations.ts';
import type { Changes } from '../platform/changes.ts';
import type { Config } from '../platform/config/schema.ts';
import { type Db, isDatabaseUnavailable, type Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import type { OutgoingFetch } from '../platform/fetch.ts';
import type { PageRenderer } from '../platform/http/render-page.ts';
import { requestOf } from '../platform/http/request-id.ts';
import type { I18n } from '../platform/i18n.ts';
import type { Job } from '../platform/jobs/jobs.ts';
import type { KeyLimits } from '../platform/limits/key-limits.ts';
import type { Limits } from '../platform/limits/rate-limit.ts';
import type { Redis } from '../platform/redis/redis.ts';
import { createSeal, type Seal } from '../platform/secrets/seal.ts';
import type { ServerSecrets } from '../platform/secrets/server-secrets.ts';
import type { Log } from '../platform/telemetry/log.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';
import type { SigningKey, SigningKeys } from '../signing-keys/signing-keys.ts';
import type { Usage } from '../usage/usage.ts';
import { createStateStore } from './adapter/adapter.ts';
import { keepOwnFields } from './adapter/models.ts';
import { makeReplayDetectionAtomic } from './adapter/replays.ts';
import { createSealing } from './adapter/sealing.ts';
import type { EndedParticipant } from './adapter/session-clients.ts';
import { createBrowserAccounts } from './browser-accounts.ts';
import { createClientSource, noClientAdapter } from './client-source.ts';
import { type Cutoffs, createCutoffs } from './cutoffs.ts';
import { createDeviceGuesses } from './device-guesses.ts';
import { createDirect, type Direct } from './direct/direct.ts';
import { allowCaching, answerPostAsGet, isProtocolRequest } from './endpoints.ts';
import { createEngineState, type EngineState } from './engine-state.ts';
import { createEngineEvents } from './events.ts';
import { createHints } from './hints.ts';
import { createInteractions, type Interactions, type InteractionsDeps } from './interactions.ts';
import { createLogoutSending, type SentLogout } from './logout-sending.ts';
import { customizeJwt, noteParties, shownNow } from './notes.ts';
import { drawAnew } from './pages/drawing.ts';
import { createEnginePages } from './pages/pages.ts';
import { type EngineDeps, engineConfiguration, routes, subjectOf } from './settings.ts';
import { tellAsAsked } from './sign-in/asked-strength.ts';
import type { KnownBrowsers } from './sign-in/finishing.ts';
import { lookOnce } from './sign-in/one-look.ts';
import { createEntitlements } from './tokens/entitlements.ts';
import type { Tokens } from './tokens/inspect.ts';
import { longestTransientSeconds } from './tokens/lifetimes.ts';
import { createRevokedTokens } from './tokens/revoked.ts';
import { createRights } from './tokens/rights.ts';
import { createScopes } from './tokens/scopes.ts';
import { engineKeys } from './tokens/signing.ts';
import { createHandles } from './tokens/token-claims.ts';
import { createTokens } from './tokens/tokens.ts';

export type { EndedParticipant } from './adapter/session-clients.ts';
export { type EndScope, endKinds } from './ends.ts';
export type { BrowserSession, ConnectedApp, Grant, StateFilter } from './engine-state.ts';
export type { Interactions, PendingInteraction, StepOutcome } from './interactions.ts';
export type { SentLogout } from './logout-sending.ts';
export type { Tokens } from './tokens/inspect.ts';
export type { LiveToken, RefusedToken } from './tokens/issued.ts';
export { openHandle } from './tokens/token-claims.ts';

/** Koa's context as the outer application has it; the engine adds `oidc` to it. */
type Context = Parameters<Provider['middleware'][number]>[0];

export interface Oidc {
  /** Answers every protocol endpoint; calls `next` for paths that are not its own. */
  handle(ctx: Context, next: () => Promise<unknown>): Promise<void>;
  readonly interactions: Interactions;
  readonly state: EngineState;
  readonly cutoffs: Cutoffs;
  readonly tokens: Tokens;
  readonly tokenForKey: Direct['tokenForKey'];
  /** To be awaited before the first request. */
  start(): Promise<void>;
  /** Tells a client, by back-channel logout, that a session ended: one attempt, which never rejects. */
  sendLogout(participant: EndedParticipant): Promise<SentLogout>;
  jobs(): Job[];
}

export interface OidcDeps extends Pick<InteractionsDeps, 'passwords'> {
  config: Config;
  postgres: Postgres;
  audit: Audit;
  log: Log;
  metrics: Pick<Metrics, 'count'>;
  accounts: Accounts;
  assurance: Assurance;
  devices: KnownBrowsers;
  organizations: Pick<Organizations, 'membershipsOf'>;
  access: Pick<Access, 'factsOf'>;
  apiKeys: ApiKeys;
  usage: Pick<Usage, 'count'>;
  limits: Limits;
  keyLimits: KeyLimits;
  apis: Apis;
  clients: Clients;
  signingKeys: SigningKeys;
  serverSecrets: ServerSecrets;
  handleSeal: Seal;
  renderer: PageRenderer;
  i18n: I18n;
  outgoingFetch: OutgoingFetch;
  changes: Pick<Changes, 'bump' | 'on' | 'poll' | 'silence'>;
  redis?: Redis | undefined;
  /** Writes down, in a transaction that ends sessions, which clients are to be told, and forgets it for a removed one. */
  logoutNotices: {
    write(trx: Db, participants: readonly EndedParticipant[]): Promise<void>;
    forget(trx: Db, clientId: string): Promise<void>;
  };
}

const EXPIRED_BATCH = 1000;

export function createOidc(deps: OidcDeps): Oidc {
  const { config, accounts, clients, serverSecrets } = deps;
  const { db } = deps.postgres;
  const { absoluteSeconds: sessionAbsoluteSeconds } = config.sessions;
  const cutoffs = createCutoffs({ db, changes: deps.changes, sessionAbsoluteSeconds });
  const assurance = lookOnce(deps.assurance);
  const logout = createLogoutSending({ db, tellEnded: deps.logoutNotices.write });
  const sealing = createSealing(serverSecrets.get('state'));
  const store = createStateStore(
    {
      db,
      sealing,
      refreshGraceSeconds: config.tokens.refreshGraceSeconds,
      sessionAbsoluteSeconds,
      isCutOff: cutoffs.isOver,
      lifeFor: assurance.lifeFor,
      tellEnded: deps.logoutNotices.write,
      fast: deps.redis && {
        redis: deps.redis,
        changes: deps.changes,
        longestSeconds: longestTransientSeconds(config),
      },
    },
    noClientAdapter,
  );
  const clientSource = createClientSource({ clients });
  const events = createEngineEvents(deps);
  const guesses = createDeviceGuesses({ db });
  const state = createEngineState({
    db,
    sealing,
    cutoffs,
    now: () => new Date(),
    tellEnded: deps.logoutNotices.write,
    forgetClient: deps.logoutNotices.forget,
  });
  const provider = () => engine.current.provider;
  const browser = createBrowserAccounts({
    ...deps,
    provider,
    ends: state,
    sealing,
    seal: createSeal(serverSecrets.get('state')),
    secure: config.issuer.startsWith('https:'),
    sessions: config.sessions,
  });
  const hints = createHints({
    issuer: config.issuer,
    provider,
    browser,
    subjectOf: (client, accountId) => subjectOf(serverSecrets, client, accountId),
  });

  const entitlements = createEntitlements();
  const revoked = createRevokedTokens({ db, changes: deps.changes });
  const rights = createRights({ ...deps, entitlements });
  const tokens = createTokens({
    ...deps,
    issuer: config.issuer,
    store,
    cutoffs,
    revoked,
    rights,
    async subjectOf(clientId, accountId) {
      const client = await provider().Client.find(clientId);
      return client ? subjectOf(serverSecrets, client, accountId) : accountId;
    },
  });
  const handleOf = createHandles(deps.handleSeal);
  const direct = createDirect({
    ...deps,
    issuer: config.issuer,
    rights,
    tokens,
    revoked,
    handleOf,
    rows: store.factory('ClientCredentials'),
  });

  const scopes = createScopes({ ...deps, clientSource, entitlements, rights });

  const engineDeps: EngineDeps = {
    ...scopes,
    browser,
    isCutOff: cutoffs.isOver,
    config,
    db,
    serverSecrets,
    accounts,
    assurance,
    clientSource,
    store,
    pages: createEnginePages({ renderer: deps.renderer, i18n: deps.i18n, accounts }),
    locales: deps.i18n.locales,
    customizeJwt: customizeJwt(handleOf, events.note),
    outgoingFetch: deps.outgoingFetch,
  };

  const build = (keys: readonly SigningKey[]) => {
    const provider = new Provider(config.issuer, engineConfiguration(engineDeps, engineKeys(keys)));
    provider.proxy = true;
    clientSource.attach(provider);
    keepOwnFields(provider);
    tellAsAsked(provider);
    logout.attach(provider);
    makeReplayDetectionAtomic(provider, store);
    events.attach(provider);
    return { provider, run: compose(provider.middleware) };
  };

  const engine = { current: build(deps.signingKeys.snapshot()) };
  // Requests under way finish on the provider they began with; both publish and accept the same keys.
  deps.signingKeys.onChange((keys) => {
    engine.current = build(keys);
  });

  return {
    async handle(ctx, next) {
      if (!isProtocolRequest(ctx)) {
        await next();
        return;
      }
      if (await answerPostAsGet(ctx, config.issuer)) return;
      if (await hints.answer(ctx)) return;
      if (ctx.method === 'POST' && ctx.path === routes.code_verification) {
        const retryAfterSeconds = await guesses.admit();
        requestOf(ctx).backTo = routes.code_verification;
        if (retryAfterSeconds > 0) throw failure('rate_limited', { retryAfterSeconds });
      }
      const run = () => engine.current.run(ctx, next);
      if (!(await direct.answer(ctx, run))) await run();
      if (ctx.path === `${routes.end_session}/confirm`) await browser.goBack(ctx.req, ctx.res, shownNow(ctx));
      noteParties(ctx);
      allowCaching(ctx, config.signingKeys.publishDelaySeconds);
      await drawAnew(ctx, { renderer: deps.renderer, clientSource, provider });
      await events.settled(ctx);
      if (isDatabaseUnavailable(events.failureOf(ctx)))
        throw failure('database_unavailable', { retryAfterSeconds: 5 });
    },

    interactions: createInteractions({
      ...deps,
      ...scopes,
      provider,
      browser,
      clientSource,
      tokens: config.tokens,
      cutoffs,
    }),

    state,
    cutoffs,
    tokens,
    tokenForKey: direct.tokenForKey,

    async start() {
      await cutoffs.start();
      await revoked.start();
      await store.start();
    },

    sendLogout: (participant) => logout.send(engine.current.provider, participant),

    jobs: () => [
      {
        name: 'remove-expired-engine-state',
        everySeconds: 60,
        async run(signal) {
          await store.removeExpired(EXPIRED_BATCH, signal);
          await guesses.removeOld(signal);
          await revoked.removeOld(signal);
        },
      },
    ],
  };
}
