// Renders one view as a page: language, locals, security headers. Used by our pages, by the engine's, and for errors.
import type { Context } from 'koa';
import { createDates, type Dates } from '../../lib/dates.ts';
import type { Appearance } from '../../vocabulary/appearances.ts';
import type { AppError } from '../errors.ts';
import type { I18n, Translate } from '../i18n.ts';
import type { Views } from '../views.ts';
import type { Csrf } from './csrf.ts';
import { pageHeaders } from './headers.ts';
import { lookOf } from './look.ts';
import { nonceOf, requestOf } from './request-id.ts';
import type { Site } from './site.ts';
import type { Assets } from './static.ts';

export interface PageView {
  view: string;
  /** A key of the message catalogue, or the words themselves. */
  title: string;
  model: object;
  status?: number;
  /** Redirect URIs or origins that a form on this page may lead to, besides this site. */
  formAction?: readonly string[];
  headers?: Readonly<Record<string, string>>;
  /** Addresses that frames of this page show. */
  frames?: readonly string[];
  /** When the page knows better than the browser, e.g. from the `ui_locales` of a stored sign-in. */
  locale?: string;
  /** Unless the language says it. */
  dir?: 'ltr' | 'rtl';
  /** Made once for each language: the same for everybody, and without a form or a nonce of its own. */
  fixed?: true;
  /** The view is the whole answer: there is no layout around it. */
  bare?: true;
  /** Ties the form's token to one session or sign-in; the post must be checked with the same text. */
  csrfBinding?: string;
  /** Of an account page: which section of the navigation it belongs to. */
  nav?: string;
  /** What stands around an account page; the pipeline adds it. */
  frame?: AccountFrame;
}

export interface AccountFrame {
  readonly person: { readonly name: string; readonly email: string | null; readonly zone: string | null };
  readonly theme: Appearance;
  readonly sections: readonly AccountSection[];
  /** The section whose page is one level up; undefined on the page of a section. */
  readonly within: AccountSection | undefined;
  /** A key of the message catalogue: what has just been done. */
  readonly done: string | undefined;
}

/** One entry of the navigation of the account area. */
export interface AccountSection {
  /** Its sentence is `account.nav.<name>`. */
  readonly name: string;
  readonly path: string;
  readonly icon: string;
}

export interface Branding {
  productName: string;
  accentColor: string;
  logoUrl: string | null;
  /** Whatever else the layout wants to know, such as a palette. */
  [more: string]: unknown;
}

export type RenderPage = (ctx: Context, page: PageView) => void;

export interface PageRenderer {
  renderPage: RenderPage;
  /** For `renderErrors`: the page that tells a person what went wrong and where to go from here. */
  renderErrorPage(ctx: Context, error: AppError): void;
  localeOf(ctx: Context, uiLocales?: string): string;
  /** Days and moments in words; without a time zone it is said which one they are in. */
  datesIn(locale: string, timeZone: string | null): Dates;
}

export interface PageRendererDeps {
  site: Site;
  views: Views;
  i18n: I18n;
  assets: Pick<Assets, 'url'>;
  csrf: Csrf;
  branding: Branding;
}

export function createPageRenderer(deps: PageRendererDeps): PageRenderer {
  const { i18n } = deps;
  const dates = createDates();
  const localeOf = (ctx: Context, uiLocales = singleQuery(ctx, 'ui_locales')) =>
    i18n.negotiate(uiLocales ?? lookOf(ctx).locale, ctx.req.headers['accept-language']);
  const renderPage = (ctx: Context, page: PageView) => {
    const locale = page.locale ?? localeOf(ctx);
    const given = { ...locals(ctx, page, locale, deps), ...dates(locale, page.frame?.person.zone ?? null) };
    const html = page.bare
      ? deps.views.part(page.view, given)
      : deps.views.render(page.view, given, {
          layout: page.frame === undefined ? 'layouts/page' : 'layouts/account',
          keptAs: page.fixed && locale,
        });
    pageHeaders(ctx, page.formAction, page.frames);
    ctx.res.setHeader('Content-Language', locale);
    ctx.res.setHeader('Vary', 'Accept-Language, Cookie');
    for (const [name, value] of Object.entries(page.headers ?? {})) ctx.res.setHeader(name, value);
    ctx.status = page.status ?? 200;
    ctx.type = 'text/html; charset=utf-8';
    ctx.body = html;
  };
  return {
    renderPage,
    localeOf,
    datesIn: dates,
    renderErrorPage: (ctx, error) => renderPage(ctx, errorPage(ctx, error, localeOf(ctx), i18n)),
  };
}

function locals(ctx: Context, page: PageView, locale: string, deps: PageRendererDeps): object {
  const { csrf, site } = deps;
  const token = csrf.token(ctx, page.csrfBinding);
  const t = deps.i18n.translator(locale);
  return {
    t,
    locale,
    dir: page.dir ?? deps.i18n.direction(locale),
    nonce: nonceOf(ctx),
    asset: deps.assets.url,
    // Both are of our own making and hold nothing that would need escaping.
    csrfField: `<input type="hidden" name="${csrf.fieldName}" value="${token}">`,
    branding: deps.branding,
    title: t(page.title),
    model: page.model,
    nav: page.nav,
    frame: page.frame,
    theme: page.frame?.theme ?? lookOf(ctx).theme,
    requestId: requestOf(ctx).id,
    path: (path: string) => `${site.basePath}${path}`,
  };
}

function errorPage(ctx: Context, error: AppError, locale: string, i18n: I18n): PageView {
  const t = i18n.translator(locale);
  const { id, backTo } = requestOf(ctx);
  const values = { ...wordsIn(error.details), wait: waitInWords(t, error.details.retryAfterSeconds ?? 0) };
  const sentence = i18n.has(`error.${error.code}`) ? t(`error.${error.code}`, values) : error.message;
  const headingKey = `error.heading.${error.code}`;
  return {
    view: 'errors/error',
    title: 'error.title',
    status: error.status,
    locale,
    model: {
      heading: t(i18n.has(headingKey) ? headingKey : 'error.heading.other'),
      message: sentence,
      code: error.code,
      requestId: id,
      backLink: backTo ?? null,
    },
  };
}

/** A number of seconds as people say it. */
export function waitInWords(t: Translate, seconds: number): string {
  if (seconds <= 5) return t('wait.moment');
  if (seconds <= 90) return t('wait.seconds', { count: Math.ceil(seconds) });
  if (seconds <= 5400) return t('wait.minutes', { count: Math.ceil(seconds / 60) });
  return t('wait.hours', { count: Math.ceil(seconds / 3600) });
}

function wordsIn(details: AppError['details']): Record<string, string | number> {
  const words = Object.entries(details).filter(
    (entry): entry is [string, string | number] =>
      typeof entry[1] === 'string' || typeof entry[1] === 'number',
  );
  return Object.fromEntries(words);
}

function singleQuery(ctx: Context, name: string): string | undefined {
  return ctx.querystring.includes(name)
    ? (new URLSearchParams(ctx.querystring).get(name) ?? undefined)
    : undefined;
}
