// The pipeline of pages, the same for every page: limit, path and query, form, cross-site checks, run, render.
import { Readable } from 'node:stream';
import type { Router } from '@koa/router';
import type { Context } from 'koa';
import type { z } from 'zod';
import type { I18n } from '../i18n.ts';
import type { Limits } from '../limits/rate-limit.ts';
import type { Carrier } from './carried.ts';
import type { Csrf } from './csrf.ts';
import { parsePart, readForm, readQuery, refuseNullBytes } from './input.ts';
import { takeFromLimit } from './limit.ts';
import { keepLook } from './look.ts';
import type { AccountArea, AccountSection, Page, PageInput, PageResult, Person } from './page.ts';
import type { PageRenderer, PageView } from './render-page.ts';
import { requestOf } from './request-id.ts';
import type { Site } from './site.ts';

export interface PageDeps {
  site: Site;
  limits: Limits;
  csrf: Csrf;
  carrier: Carrier;
  i18n: I18n;
  renderer: PageRenderer;
  formLimitBytes: number;
  account: AccountArea;
}

type RawParams = Record<string, string>;

/** What pages know of each other. */
interface Mounted {
  /** Paths that can be looked at. */
  readonly readable: ReadonlySet<string>;
  readonly sections: readonly AccountSection[];
}

export function mountPages(router: Router, pages: readonly Page[], deps: PageDeps): void {
  const readable = new Set(pages.filter((page) => page.method === 'GET').map((page) => page.path));
  const sections = deps.account.sections.filter(({ path }) => readable.has(path));
  for (const page of pages) {
    const show = pipeline(page, { readable, sections }, deps);
    router.register(`${deps.site.basePath}${page.path}`, [page.method], (ctx) => show(ctx, ctx.params));
  }
}

function pipeline(page: Page, { readable, sections }: Mounted, deps: PageDeps) {
  return async (ctx: Context, rawParams: RawParams): Promise<void> => {
    const facts = requestOf(ctx);
    facts.route = page.path;
    if (page.method === 'POST') facts.backTo = formOf(ctx, page, readable);
    await takeFromLimit(ctx, deps.limits, page.limit);
    refuseNullBytes(rawParams);
    const params = page.params === undefined ? undefined : parsePart('params', page.params, rawParams);
    // Unlike in the API, unknown parameters are let through: links to pages get decorated on their way.
    const rawQuery = readQuery(ctx);
    const query = page.query === undefined ? undefined : parsePart('query', page.query, rawQuery);
    const person = page.area === 'account' ? await deps.account.person(ctx) : undefined;
    const again = page.sensitive === true && person !== undefined && !deps.account.isRecent(person);
    if (page.area === 'account' && (person === undefined || again)) {
      redirect(ctx, deps.account.signInAt(backFrom(ctx, page, readable, deps.site), { again }), deps.site);
      return;
    }
    facts.accountId = person?.accountId ?? null;
    const binding = person?.sessionId ?? page.csrfBinding?.(rawParams);
    const form = await receiveForm(ctx, page, binding, deps);
    const spoken = language(ctx, person, deps);
    const who = person && { person, dates: deps.renderer.datesIn(spoken.locale, person.zone) };
    const carried = (name: string) => deps.carrier.read(ctx, name);
    const result = await page.run({ params, query, ...form, ...spoken, ...who, carried, ctx });
    if (result.kind === 'redirect') redirect(ctx, result.to, deps.site);
    for (const one of result.kind === 'redirect' ? (result.carry ?? []) : []) deps.carrier.put(ctx, one);
    if (result.kind === 'download') download(ctx, result);
    if (result.kind !== 'view') return;
    if (person) keepLook(ctx, { theme: person.theme, locale: person.locale ?? undefined }, deps.site);
    const around = person && {
      frame: frameOf(person, { page, nav: result.nav, sections, done: rawQuery.done }, deps),
      locale: spoken.locale,
    };
    deps.renderer.renderPage(ctx, { ...around, ...bound(binding), ...result });
  };
}

function frameOf(
  { name, email, zone, theme }: Person,
  at: { page: Page; nav: string | undefined; sections: Mounted['sections']; done: string | undefined },
  { i18n }: PageDeps,
): NonNullable<PageView['frame']> {
  const { sections } = at;
  const section = sections.find((one) => one.name === at.nav);
  const within = section?.path === at.page.path ? undefined : section;
  const done = `account.done.${at.done}`;
  return { person: { name, email, zone }, theme, sections, within, done: i18n.has(done) ? done : undefined };
}

const bound = (csrfBinding: string | undefined) => (csrfBinding === undefined ? {} : { csrfBinding });

/** A path without the base path; of a form, that of the page that shows it. */
function backFrom(ctx: Context, page: Page, readable: ReadonlySet<string>, site: Site): string {
  const shown =
    page.method === 'POST' ? (formOf(ctx, page, readable) ?? '/account') : `${ctx.path}${ctx.search}`;
  return shown.startsWith(`${site.basePath}/`) ? shown.slice(site.basePath.length) : shown;
}

/** Where the form of a refused post is shown anew: at the same address, or one level up. */
function formOf(ctx: Context, page: Page, readable: ReadonlySet<string>): string | undefined {
  if (readable.has(page.path)) return `${ctx.path}${ctx.search}`;
  return readable.has(levelUp(page.path)) ? levelUp(ctx.path) : undefined;
}

function levelUp(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

type FormInput = Pick<PageInput<unknown, unknown, unknown>, 'form' | 'formErrors' | 'typed'>;

const NO_FORM: FormInput = { form: undefined, formErrors: {}, typed: {} };

async function receiveForm(
  ctx: Context,
  page: Page,
  binding: string | undefined,
  deps: PageDeps,
): Promise<FormInput> {
  if (page.method !== 'POST') return NO_FORM;
  const { [deps.csrf.fieldName]: token, ...fields } = await readForm(ctx, deps.formLimitBytes);
  deps.csrf.check(ctx, token, binding);
  if (page.form === undefined) return NO_FORM;
  const parsed = page.form.safeParse(fields);
  if (parsed.success) return { form: parsed.data, formErrors: {}, typed: typedIn(fields) };
  return { form: undefined, formErrors: formErrors(parsed.error, deps.i18n), typed: typedIn(fields) };
}

/** Passwords and the like are never sent back, not even to whoever typed them. */
function typedIn(fields: RawParams): RawParams {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !SECRET_FIELD.test(name)));
}

const SECRET_FIELD = /pass(word|phrase)|secret|token/i;

/** A message that is a key of the catalogue stays; anything else becomes one of three sentences that fit every field. */
function formErrors(error: z.ZodError, i18n: I18n): Record<string, string> {
  const errors: Record<string, string> = {};
  for (const issue of error.issues) {
    const name = issue.path.map(String).join('.') || 'form';
    errors[name] ??= i18n.has(issue.message) ? issue.message : generalMessage(issue);
  }
  return errors;
}

function generalMessage(issue: z.core.$ZodIssue): string {
  if (issue.code === 'too_big') return 'field.error.tooLong';
  if (issue.code === 'too_small' || issue.code === 'invalid_type') return 'field.error.required';
  return 'field.error.invalid';
}

function language(
  ctx: Context,
  person: Person | undefined,
  deps: PageDeps,
): Pick<PageInput<unknown, unknown, unknown>, 'locale' | 't' | 'speak'> {
  const speak = (uiLocales: string | undefined) => {
    const locale = deps.renderer.localeOf(ctx, uiLocales);
    return { locale, t: deps.i18n.translator(locale) };
  };
  if (person === undefined) return { ...speak(undefined), speak };
  // Theirs, whatever the cookie says that somebody else may have left in this browser.
  const locale = deps.i18n.negotiate(person.locale ?? undefined, ctx.req.headers['accept-language']);
  return { locale, t: deps.i18n.translator(locale), speak };
}

function redirect(ctx: Context, to: string, site: Site): void {
  ctx.res.setHeader('Cache-Control', 'no-store');
  ctx.res.setHeader('Location', locationOf(to, site));
  // In this order: Koa turns the status to 204 when the body is taken away.
  ctx.body = null;
  ctx.status = 303;
}

/** What fails before the first part is answered like any failure; afterwards the connection breaks off. */
function download(ctx: Context, file: Extract<PageResult, { kind: 'download' }>): void {
  ctx.set('Cache-Control', 'no-store');
  ctx.status = 200;
  ctx.type = file.type;
  ctx.attachment(file.name);
  ctx.body = Readable.from(file.parts);
}

/** A path of this site or a full address; anything else is a mistake of ours and fails loudly. */
function locationOf(to: string, site: Site): string {
  if (!/^\/(?![/\\])/.test(to)) return new URL(to).href;
  const url = new URL(`${site.basePath}${to}`, site.origin);
  return `${url.pathname}${url.search}${url.hash}`;
}
