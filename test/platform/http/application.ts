// A small application on a real port with the whole pipeline in the order the server uses it.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Router } from '@koa/router';
import Koa, { type Middleware } from 'koa';
import { afterAll } from 'vitest';
import { allowMethods, mountRoutes } from '../../../src/platform/api/mount-routes.ts';
import type { Caller, Route } from '../../../src/platform/api/route.ts';
import { createCarrier } from '../../../src/platform/http/carried.ts';
import { createCsrf } from '../../../src/platform/http/csrf.ts';
import { areasOf, renderErrors, takeOverKoaErrors } from '../../../src/platform/http/errors.ts';
import { securityHeaders } from '../../../src/platform/http/headers.ts';
import { createHealth } from '../../../src/platform/http/health.ts';
import { limitMiddleware } from '../../../src/platform/http/limit.ts';
import { mountPages } from '../../../src/platform/http/mount-pages.ts';
import type { AccountArea, Page } from '../../../src/platform/http/page.ts';
import { createPageRenderer } from '../../../src/platform/http/render-page.ts';
import { observeRequests, requestContext } from '../../../src/platform/http/request-id.ts';
import { listen } from '../../../src/platform/http/server.ts';
import { siteOf } from '../../../src/platform/http/site.ts';
import { createAssets } from '../../../src/platform/http/static.ts';
import { createI18n } from '../../../src/platform/i18n.ts';
import { createLimits, type LimitName } from '../../../src/platform/limits/rate-limit.ts';
import { createSeal } from '../../../src/platform/secrets/seal.ts';
import type { Log } from '../../../src/platform/telemetry/log.ts';
import { createMetrics } from '../../../src/platform/telemetry/metrics.ts';
import { createRequestLog } from '../../../src/platform/telemetry/request-log.ts';
import { createViews } from '../../../src/platform/views.ts';

export const ISSUER = 'http://127.0.0.1:4999';

const NO_LIMITS: Record<LimitName, number> = {
  page: 0,
  registration: 0,
  'sign-in': 0,
  recovery: 0,
  setup: 0,
  token: 0,
  introspection: 0,
  device: 0,
  'api-credential': 0,
  verify: 0,
  'leak-report': 0,
  decision: 0,
  budget: 0,
  'admin-read': 0,
  'admin-write': 0,
};

const VIEWS: Record<string, string> = {
  'views/layouts/page.ejs':
    '<!doctype html><html lang="<%= locale %>"><title><%= title %></title><%- body %><i><%= requestId %></i></html>',
  'views/errors/error.ejs':
    '<h1><%= model.heading %></h1><p><%= model.message %></p><b><%= model.code %></b><a href="<%= model.backLink %>">back</a>',
  'views/form.ejs':
    '<form method="post"><%- csrfField %><input name="name" value="<%= model.name %>"><em><%= model.error %></em></form><style nonce="<%= nonce %>"></style>',
  'views/messages/en.json': JSON.stringify({
    'error.title': 'Trouble',
    'error.heading.other': 'That did not work',
    'error.not_found': 'No such page.',
    'form.title': 'Your name',
    'form.name_missing': 'Please say your name.',
  }),
  'views/messages/de.json': JSON.stringify({
    'error.title': 'Ärger',
    'error.heading.other': 'Das ging nicht',
    'error.not_found': 'Diese Seite gibt es nicht.',
    'form.title': 'Ihr Name',
    'form.name_missing': 'Bitte nennen Sie Ihren Namen.',
  }),
  'views/assets/app.css': 'body { background: url(bg.svg) }',
  'views/assets/bg.svg': '<svg xmlns="http://www.w3.org/2000/svg"/>',
};

export interface Line {
  level: string;
  message: string;
  fields: unknown;
}

export interface Application {
  url: string;
  port: number;
  lines: Line[];
  metrics: ReturnType<typeof createMetrics>;
  health: ReturnType<typeof createHealth>;
  stop(graceSeconds?: number): Promise<void>;
  /** Sends bytes as they are and returns everything that came back until the end of the connection. */
  raw(bytes: string): Promise<string>;
}

export interface Settings {
  issuer?: string;
  routes?: Route[];
  pages?: Page[];
  account?: AccountArea;
  limits?: Partial<Record<LimitName, number>>;
  trustedProxies?: string[];
  callers?: Record<string, Caller>;
  after?: Middleware[];
  files?: Record<string, string>;
  checks?: Record<string, () => Promise<boolean>>;
  spares?: Record<string, () => boolean>;
  protocolPaths?: string[];
  /** Failures below it are plain sentences, and callers get their own request id back. */
  sentenceRoot?: string;
  bodyLimitBytes?: number;
}

const folders = new Set<string>();
afterAll(() => {
  for (const root of folders) rmSync(root, { recursive: true, force: true });
});

export function folder(files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'gatehouse-views-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  folders.add(root);
  return root;
}

export async function start(settings: Settings = {}): Promise<Application> {
  const lines: Line[] = [];
  const log = logInto(lines);
  const metrics = createMetrics();
  const site = siteOf(settings.issuer ?? ISSUER);
  const health = createHealth({
    site,
    checks: settings.checks ?? {},
    spares: settings.spares ?? {},
    checkTimeoutMilliseconds: 100,
  });
  const app = new Koa();
  const errors = compose(app, settings, { site, log, metrics, health });
  takeOverKoaErrors(app, errors);
  const listener = await listen(app.callback(), { host: '127.0.0.1', port: 0, log, lingerMilliseconds: 20 });
  return {
    url: `http://127.0.0.1:${listener.port}`,
    port: listener.port,
    lines,
    metrics,
    health,
    stop: (graceSeconds = 1) => listener.stop(graceSeconds),
    raw: (bytes) => sendRaw(listener.port, bytes),
  };
}

interface Parts {
  site: ReturnType<typeof siteOf>;
  log: Log;
  metrics: ReturnType<typeof createMetrics>;
  health: ReturnType<typeof createHealth>;
}

function compose(app: Koa, settings: Settings, { site, log, metrics, health }: Parts) {
  const root = join(folder({ ...VIEWS, ...settings.files }), 'views');
  const limits = createLimits({ ...NO_LIMITS, ...settings.limits });
  const i18n = createI18n({ directories: [join(root, 'messages')] });
  const csrf = createCsrf({ site, secret: Buffer.alloc(32, 7) });
  const assets = createAssets({ site, directories: [join(root, 'assets')] });
  const views = createViews({ directories: [root] });
  const branding = { productName: 'Gatehouse', accentColor: '#000', logoUrl: null };
  const renderer = createPageRenderer({ site, views, i18n, assets, csrf, branding });
  const router = new Router();
  mountRoutes(router, settings.routes ?? [], {
    site,
    limits,
    bodyLimitBytes: settings.bodyLimitBytes ?? 1000,
    authenticate: async (headers) => settings.callers?.[headers.authorization ?? ''],
    permits: (caller, permission) => caller.permissions.includes(permission),
    signInDemand: async () => undefined,
    noteRefusal: () => {},
    idempotency: { once: async (_request, act) => ({ answer: await act(), replayed: false }) },
  });
  mountPages(router, settings.pages ?? [], {
    site,
    limits,
    csrf,
    carrier: createCarrier({ site, seal: createSeal(Buffer.alloc(32, 8)) }),
    i18n,
    renderer,
    formLimitBytes: 1000,
    account: settings.account ?? nobody,
  });
  const errors = {
    log,
    areaOf: areasOf(site, settings.protocolPaths ?? ['/token'], settings.sentenceRoot),
    renderErrorPage: renderer.renderErrorPage,
  };
  const outer: Middleware[] = [
    requestContext({
      site,
      trustedProxies: settings.trustedProxies ?? [],
      echoesId: (path) => settings.sentenceRoot !== undefined && path.startsWith(settings.sentenceRoot),
    }),
    observeRequests({ metrics, requestLog: createRequestLog('all', log) }),
    securityHeaders(site),
    renderErrors(errors),
    health.middleware,
    assets.middleware,
  ];
  const inner: Middleware[] = [
    allowMethods(router),
    limitMiddleware({ site, limits, paths: { '/token': 'token' } }),
    ...(settings.after ?? []),
  ];
  for (const step of outer) app.use(step);
  app.use(router.routes());
  for (const step of inner) app.use(step);
  return errors;
}

function logInto(lines: Line[]): Log {
  const line = (level: string) => (message: string, fields?: object) => {
    lines.push({ level, message, fields });
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('utf8');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
  });
}

const nobody: AccountArea = {
  person: async () => undefined,
  isRecent: () => false,
  signInAt: (back) => `/account/sign-in?${new URLSearchParams({ back })}`,
  sections: [],
};
