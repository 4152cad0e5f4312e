// What each hosted page costs: bytes with everything that it loads, and statements of the database. These stand for the time
// of the server (10 ms at most, half the time): unlike milliseconds they are the same on every machine.
import { beforeAll, describe, expect, it } from 'vitest';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password, signInAt } from '../support/people.ts';
import { relyingParty } from './relying-party.ts';

const gatehouse = useGatehouse({ settings: { REGISTRATION: 'open' } });

/** Without images. */
const MOST_BYTES = 50_000;
/** Of a page that is not in the table. About a third of a millisecond each, one after the other. */
const MOST_STATEMENTS = 8;

/** The statements of each page. Who is signed in costs four of them: session, account, its rules, its factors. */
const statements: Readonly<Record<string, number>> = {
  // Of the sign-in.
  '/interaction/:uid': 6,
  '/interaction/:uid/register': 2,
  '/interaction/:uid/second-factor?way': 6,
  '/recover?interaction': 0,
  '/recover/second-factor?interaction': 0,
  // Of the account.
  '/account': 6,
  '/account/profile': 4,
  '/account/email': 4,
  '/account/phone': 4,
  '/account/security': 9,
  '/account/security/password': 6,
  '/account/security/authenticator': 5,
  '/account/security/passkeys': 7,
  '/account/security/recovery-codes': 6,
  '/account/security/factors/:id': 5,
  '/account/security/review': 6,
  '/account/sessions': 6,
  '/account/sessions/all': 4,
  '/account/apps': 6,
  '/account/apps/:id': 6,
  '/account/organizations': 7,
  '/account/keys': 8,
  '/account/keys/new': 5,
  '/account/activity': 5,
  '/account/appearance': 4,
  '/account/data': 4,
};

interface Cost {
  readonly path: string;
  readonly bytes: number;
  readonly statements: number;
  readonly elsewhere: readonly string[];
}

const hosted = /^\/(account|interaction|recover|register)\b/;
const assets = new Map<string, number>();

/** Every page that links lead to from here. */
async function walk(browser: Browser, first: string): Promise<Cost[]> {
  const known = [first];
  const costs = new Map<string, Cost>();
  for (const path of known) {
    const name = nameOf(path);
    if (costs.has(name)) continue;
    const page = await browser.open(path);
    if (page.status === 200) costs.set(name, await costOf(browser, page, name));
    const links = [...page.html.matchAll(/<a\b[^>]*\bhref="([^"#]+)"/g)].map(([, href = '']) => href);
    for (const href of links.map((one) => one.replaceAll('&amp;', '&').replaceAll('&#34;', '"'))) {
      const url = new URL(href, page.url);
      const within = url.origin === gatehouse.issuer && hosted.test(url.pathname);
      if (within && !known.includes(url.pathname + url.search)) known.push(url.pathname + url.search);
    }
  }
  return [...costs.values()];
}

async function costOf(browser: Browser, page: Shown, path: string): Promise<Cost> {
  const loaded = [
    ...page.html.matchAll(/<(?:link|script|img|iframe|source)\b[^>]*\b(?:href|src)="([^"]+)"/g),
  ];
  const addresses = loaded.map(([, address = '']) => address).filter((one) => !one.startsWith('data:'));
  const elsewhere = addresses.filter((address) => new URL(address, page.url).origin !== gatehouse.issuer);
  let bytes = Buffer.byteLength(page.html);
  for (const address of addresses.filter((one) => /\.(css|js)$/.test(one))) bytes += await sizeOf(address);
  return { path, bytes, statements: await statementsOf(browser, page.url, path), elsewhere };
}

async function sizeOf(address: string): Promise<number> {
  const known = assets.get(address);
  if (known !== undefined) return known;
  const size = (await (await fetch(new URL(address, gatehouse.issuer))).arrayBuffer()).byteLength;
  assets.set(address, size);
  return size;
}

/** The least of a few looks: what the server does on its own goes on meanwhile. Permits are taken ahead, for many requests. */
async function statementsOf(browser: Browser, url: string, path: string): Promise<number> {
  const { db } = gatehouse.database;
  let least = Number.POSITIVE_INFINITY;
  for (let look = 0; look < 12 && least > mostOf(path); look += 1) {
    let count = 0;
    const note = ({ sql }: { sql: string }) => {
      if (!sql.startsWith('insert into limit_counters')) count += 1;
    };
    db.on('query', note);
    await browser.open(url);
    db.off('query', note);
    least = Math.min(least, count);
  }
  return least;
}

const mostOf = (path: string): number => statements[path] ?? MOST_STATEMENTS;

/** Ids are all the same. */
function nameOf(path: string): string {
  const { pathname, searchParams } = new URL(path, gatehouse.issuer);
  const names = [...searchParams.keys()].sort().join('&');
  const plain = pathname
    .replace(/^(\/interaction)\/[^/]+/, '$1/:uid')
    .replace(/\/(?:[a-z]{3}_[0-9a-z]{26}|[0-9a-zA-Z_-]{43})(?=\/|$)/g, '/:id');
  return names ? `${plain}?${names}` : plain;
}

describe('the hosted pages', () => {
  const costs: Cost[] = [];

  beforeAll(async () => {
    const person = await createPerson(gatehouse.services);
    await addAuthenticator(gatehouse.services, person);
    const { postgres, recovery } = gatehouse.services;
    await postgres.transaction((trx) => recovery.review.begin(trx, person.id));
    const app = await relyingParty(gatehouse, { name: 'Notes' });
    const browser = createBrowser(gatehouse.issuer);
    const login = await browser.open((await app.begin({ prompt: 'consent' })).url);
    costs.push(...(await walk(browser, new URL(login.url).pathname)));
    const second = await browser.submit(
      await browser.open(login.url),
      { identifier: person.email ?? '', password },
      '/login',
    );
    costs.push(...(await walk(browser, new URL(second.url).pathname)));
    const code = await codeOf(person);
    const consent = await browser.submit(await browser.open(second.url), { code }, '/second-factor');
    costs.push(...(await walk(browser, new URL(consent.url).pathname)));
    await browser.submit(await browser.open(consent.url), {}, '/consent');
    await signInAt(`${gatehouse.issuer}/account`, person, browser);
    costs.push(...(await walk(browser, '/account')));
  }, 60_000);

  it('are all looked at', () => {
    const seen = costs.map(({ path }) => path);
    expect(seen).toEqual(expect.arrayContaining(Object.keys(statements)));
  });

  it('are under 50 kB each, with their style sheets and scripts', () => {
    expect(costs.filter(({ bytes }) => bytes >= MOST_BYTES)).toEqual([]);
  });

  it('load nothing from elsewhere', () => {
    expect(costs.filter(({ elsewhere }) => elsewhere.length > 0)).toEqual([]);
  });

  it('ask the database no more than so often', () => {
    const over = costs.filter((cost) => cost.statements > mostOf(cost.path));
    expect(over).toEqual([]);
  });
});
