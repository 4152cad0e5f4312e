// The HTTP application: global middleware in order, every list of routes and pages, and the protocol engine behind them.
import { Router } from '@koa/router';
import Koa from 'koa';
import packageFile from '../package.json' with { type: 'json' };
import { accessRoutes } from './access/admin-api.ts';
import { accountRoutes } from './accounts/admin-api.ts';
import { profilePages } from './accounts/self-service-pages.ts';
import { apiKeyRoutes } from './api-keys/admin-api.ts';
import { createExposedKeys } from './api-keys/api-keys.ts';
import { keyPages } from './api-keys/self-service-pages.ts';
import { apiRoutes } from './apis/admin-api.ts';
import { auditRoutes } from './audit/admin-api.ts';
import { recordRefusedCalls } from './audit/counted.ts';
import { resourceRoutes } from './authzen/admin-api.ts';
import { AUTHZEN_ROOT, authzenRoutes } from './authzen/public-api.ts';
import { budgetRoutes } from './budgets/admin-api.ts';
import { clientRoutes } from './clients/admin-api.ts';
import { compromiseRoutes } from './compromise/admin-api.ts';
import { LEAK_REPORTS_PATH } from './compromise/compromise.ts';
import { credentialRoutes } from './credentials/admin-api.ts';
import { securityPages } from './credentials/self-service-pages.ts';
import { deletionRoutes } from './deletion/admin-api.ts';
import { deletionPages } from './deletion/pages.ts';
import { gatewayRoutes } from './gateway/admin-api.ts';
import { createSignInDemand } from './gateway/sign-in-demand.ts';
import { interactionPages } from './interaction/steps.ts';
import { jobRoutes } from './jobs/admin-api.ts';
import { createTokenHandler, TOKEN_PATH } from './key-auth/key-auth.ts';
import { keyAuthRoutes } from './key-auth/public-api.ts';
import { messageRoutes } from './messages/admin-api.ts';
import { outboxPages } from './messages/pages.ts';
import { organizationRoutes } from './organizations/admin-api.ts';
import { docsPage } from './platform/api/docs-page.ts';
import { documented } from './platform/api/document-route.ts';
import { allowMethods, mountRoutes } from './platform/api/mount-routes.ts';
import { plainMiddleware, plainPost } from './platform/api/plain.ts';
import { reflectionMiddleware } from './platform/api/reflection.ts';
import type { Route } from './platform/api/route.ts';
import { failure } from './platform/errors.ts';
import { areasOf, type ErrorDeps, renderErrors, takeOverKoaErrors } from './platform/http/errors.ts';
import { securityHeaders } from './platform/http/headers.ts';
import { createHealth, type Health } from './platform/http/health.ts';
import { limitMiddleware, takeFromLimit } from './platform/http/limit.ts';
import { mountPages } from './platform/http/mount-pages.ts';
import { observeRequests, requestContext } from './platform/http/request-id.ts';
import { wellKnownAtRoot, withinBasePath } from './platform/http/site.ts';
import { createCrowd, hasArrived } from './platform/limits/crowd.ts';
import { createRequestLog } from './platform/telemetry/request-log.ts';
import { recoveryRoutes } from './recovery/admin-api.ts';
import { recoveryPages } from './recovery/pages.ts';
import { reviewPages } from './recovery/review-pages.ts';
import { reachPages } from './recovery/self-service-pages.ts';
import { registrationRoutes } from './registration/admin-api.ts';
import { registrationPages } from './registration/pages.ts';
import { invitationPages } from './registration/self-service-pages.ts';
import { dataPages } from './self-service/data.ts';
import { ACCOUNT_CLIENT_ID, createAccountArea, signUpAt } from './self-service/self-service.ts';
import { selfServicePages } from './self-service/self-service-pages.ts';
import type { Services } from './services.ts';
import { sessionRoutes } from './sessions/admin-api.ts';
import { sessionPages } from './sessions/self-service-pages.ts';
import { settingRoutes } from './settings/admin-api.ts';
import { setupPages } from './setup/pages.ts';
import { signingKeyRoutes } from './signing-keys/admin-api.ts';
import { usageRoutes } from './usage/admin-api.ts';
import { apiSubjects } from './vocabulary/api-subjects.ts';
import { permissions } from './vocabulary/permissions.ts';

/** The engine's endpoints, as numbers and logs name them, and which limit counts each. */
const protocolLimits = {
  // Counted where it is known who asks: clients and keys may bring limits of their own (oidc/direct/token-limits.ts).
  '/token': null,
  '/par': 'token',
  '/revoke': 'token',
  '/userinfo': 'token',
  '/introspect': 'introspection',
  '/api/auth/token': 'token',
  '/device/authorize': 'device',
  '/device': 'device',
  '/device/:uid': 'page',
  '/authorize': 'page',
  '/authorize/:uid': 'page',
  '/end-session': 'page',
  '/end-session/confirm': 'page',
  '/end-session/success': 'page',
  // The same for everybody and from memory.
  '/jwks': null,
  '/.well-known/openid-configuration': null,
  '/.well-known/oauth-authorization-server': null,
} as const;

/** What oidc-provider reads of a body (lib/shared/selective_body.js). */
const ENGINE_BODY_BYTES = 56 * 1024;

/** Some thousand strings with the addresses where they stood. */
const LEAK_REPORT_BYTES = 1024 * 1024;

const protocolPaths = [
  '/token',
  '/par',
  '/revoke',
  '/userinfo',
  '/introspect',
  '/device/authorize',
  '/jwks',
  '/.well-known/openid-configuration',
  '/.well-known/oauth-authorization-server',
];

/** Where people wait in line, so that a flood of sign-ins leaves time for programs. */
const pagePaths = ['/authorize', '/interaction/', '/end-session'];
const CROWD = { places: 8, line: 1000, patienceMilliseconds: 15_000 };

export interface App {
  readonly callback: ReturnType<Koa['callback']>;
  readonly health: Health;
}

export function createApp(services: Services): App {
  const { config, site, log, limits, oidc, postgres, redis } = services;
  const app = new Koa();
  app.keys = [services.serverSecrets.get('cookie').toString('base64url')];
  // requestContext has replaced the forwarding headers by the issuer's scheme and host and the resolved address.
  app.proxy = true;

  const errorDeps: ErrorDeps = {
    log,
    areaOf: areasOf(site, protocolPaths, AUTHZEN_ROOT),
    renderErrorPage: services.renderer.renderErrorPage,
  };
  const health = createHealth({
    site,
    checks: { database: postgres.health },
    spares: redis === undefined ? {} : { redis: () => redis.state() === 'up' },
  });
  const router = pagesAndRoutes(services);

  takeOverKoaErrors(app, errorDeps);
  app.use(
    reflectionMiddleware({
      site,
      key: services.serverSecrets.get('reflection'),
      trustedProxies: config.http.trustedProxies,
    }),
  );
  app.use(
    requestContext({
      site,
      trustedProxies: config.http.trustedProxies,
      tracing: services.tracing,
      echoesId: (path) => path.startsWith(`${site.basePath}${AUTHZEN_ROOT}`),
    }),
  );
  app.use(
    observeRequests({ metrics: services.metrics, requestLog: createRequestLog(config.log.requests, log) }),
  );
  app.use(securityHeaders(site));
  app.use(renderErrors(errorDeps));
  app.use(wellKnownAtRoot(site));
  // Before the line: one address cannot fill it with what its limit would refuse.
  app.use(limitMiddleware({ site, limits, paths: protocolLimits, bodyLimitBytes: ENGINE_BODY_BYTES }));
  // Asked about with each request of other services: before everything that is for people.
  const { bodyLimitBytes } = config.http;
  app.use(plainPost(site, '/api/v1/verify', services.gateway.answerVerify, { bodyLimitBytes }));
  app.use(plainMiddleware(site, '/forward-auth', services.gateway.forwardAuth));
  const exposed = createExposedKeys(services);
  app.use(async (ctx, next) => {
    if (!exposed.mayHold(ctx.url)) return next();
    await takeFromLimit(ctx, limits, 'api-credential');
    if (await exposed.in(ctx.url)) throw failure('credential_in_url');
    return next();
  });
  const crowd = createCrowd(CROWD);
  const shown = pagePaths.map((path) => `${site.basePath}${path}`);
  app.use(async (ctx, next) => {
    if (!shown.some((path) => ctx.path.startsWith(path))) return next();
    if (await hasArrived(ctx.req)) await crowd.run(next);
  });
  // The engine has the most traffic and knows its own addresses by one look-up, so it is asked before the others.
  app.use(withinBasePath(site, oidc.handle));
  const keyTokens = createTokenHandler({ ...services, issuer: config.issuer });
  app.use(plainMiddleware(site, TOKEN_PATH, keyTokens, { bodyLimitBytes }));
  const leaks = { bodyLimitBytes: LEAK_REPORT_BYTES };
  app.use(limitMiddleware({ site, limits, paths: { [LEAK_REPORTS_PATH]: 'leak-report' }, ...leaks }));
  app.use(plainMiddleware(site, LEAK_REPORTS_PATH, services.compromise.leakReports, leaks));
  app.use(health.middleware);
  app.use(services.assets.middleware);
  app.use(router.routes());
  app.use(allowMethods(router));

  return { callback: app.callback(), health };
}

function pagesAndRoutes(services: Services): Router {
  const { config, site, limits, csrf, carrier, i18n, renderer, gateway } = services;
  const { interactions } = services.oidc;
  const account = createAccountArea({ ...services, interactions });
  const { accountOf } = account;
  const router = new Router();
  const { version } = packageFile;
  const api = documented(managementRoutes(services), {
    issuer: config.issuer,
    version,
    permissions,
    subjects: apiSubjects,
  });
  const pages = [
    docsPage({ document: api.document, version, issuer: config.issuer }),
    ...interactionPages({
      ...services,
      interactions,
      tokens: config.tokens,
      rememberedDays: services.devices.rememberedDays,
      passwordChange: services.recovery.password,
      minimumPasswordLength: config.passwords.minimumLength,
      // Each is offered by the feature that it leads to.
      offers: {
        recovery: services.recovery.forgotten.isOpen(),
        signUp: ['open', 'code'].includes(config.registration.mode),
        mailCode: config.recovery.signInMailCode === 'on' && services.messages.canSend('mail'),
      },
    }),
    ...selfServicePages({
      ...services,
      issuer: config.issuer,
      area: account,
      interactions,
    }),
    ...securityPages({
      ...services,
      interactions,
    }),
    ...outboxPages(services),
    ...recoveryPages({ ...services, ...services.credentials.passwords }),
    ...reviewPages({ ...services, area: account }),
    ...reachPages({ ...services, ...services.credentials.passwords, accountOf }),
    ...dataPages({ ...services, accountOf }),
    ...deletionPages(services),
    ...registrationPages({ registration: services.registration, signUpAt: signUpAt(config.issuer) }),
    ...invitationPages(services),
    ...profilePages({ ...services, accountOf }),
    ...sessionPages({
      ...services,
      interactions,
      ownClientId: ACCOUNT_CLIENT_ID,
    }),
    ...keyPages({ ...services, ownClientId: ACCOUNT_CLIENT_ID }),
    ...setupPages({
      setup: services.setup,
      productName: config.branding.productName,
      issuer: config.issuer,
      minimumLength: config.passwords.minimumLength,
    }),
  ];
  const formLimitBytes = config.http.bodyLimitBytes;
  mountPages(router, pages, { site, limits, csrf, carrier, i18n, renderer, formLimitBytes, account });
  // A protocol of its own, with a specification of its own: not in the document of the management API.
  const decisions = authzenRoutes({ authzen: services.authzen, issuer: config.issuer });
  mountRoutes(router, [...api.routes, ...decisions, ...keyAuthRoutes(services)], {
    site,
    limits,
    bodyLimitBytes: config.http.bodyLimitBytes,
    authenticate: gateway.authenticate,
    permits: (caller, permission) => caller.permissions.includes(permission),
    signInDemand: createSignInDemand(services),
    noteRefusal: recordRefusedCalls(services.audit),
    idempotency: services.idempotency,
  });
  return router;
}

/** Every route of the management API: what is mounted, documented and tested. */
export function managementRoutes(services: Services): Route[] {
  return [
    ...accountRoutes(services),
    ...credentialRoutes(services),
    ...recoveryRoutes(services),
    ...deletionRoutes(services),
    ...clientRoutes({ ...services, audience: services.managementAudience }),
    ...apiRoutes(services),
    ...organizationRoutes(services),
    ...registrationRoutes(services),
    ...gatewayRoutes(services),
    ...apiKeyRoutes(services),
    ...compromiseRoutes(services),
    ...sessionRoutes(services),
    ...messageRoutes(services),
    ...budgetRoutes(services),
    ...usageRoutes(services),
    ...signingKeyRoutes(services),
    ...auditRoutes(services),
    ...jobRoutes(services),
    ...settingRoutes(services),
    ...accessRoutes(services),
    ...resourceRoutes(services),
  ];
}
