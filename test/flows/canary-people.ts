// What people carry: an account made and made safe, lost and found again, so that each of its secrets has travelled.
import { generateSync } from 'otplib';
import { expect } from 'vitest';
import { type Browser, createBrowser } from '../support/browser.ts';
import type { Cluster } from '../support/cluster.ts';
import { useMailbox } from '../support/mailbox.ts';
import { operator } from '../support/people.ts';

interface World {
  readonly cluster: Cluster;
  plant(kind: string, secret: string): void;
}

const email = 'canary@example.com';
const passwords = ['a canary hums in the third gallery', 'the second canary sleeps in brass'] as const;

/** Needs `REGISTRATION=code`. */
export async function walkAsPerson(world: World): Promise<void> {
  const browser = createBrowser(world.cluster.issuer);
  await register(world, browser);
  const secret = await addAuthenticator(world, browser);
  await signInWrongAndRight(world, secret);
  await recover(world);
  await invited(world);
}

async function register({ cluster, plant }: World, browser: Browser): Promise<void> {
  const mailbox = useMailbox(cluster);
  const { codes } = cluster.services.registration;
  const { code } = await codes.create({ maximumUses: 1, note: null, expiresAt: null }, operator);
  plant('registration code', code);
  const begin = await browser.open(`/sign-up?code=${encodeURIComponent(code)}`);
  const wrong = await browser.submit(begin, { email, registration_code: `${code}X` }, '/register');
  expect(wrong.status).toBe(400);
  plant('registration code', `${code}X`);
  const sent = await browser.submit(wrong, { email, registration_code: code }, '/register');
  const mail = await mailbox.next(email, 'register');
  plant('mailed link', new URL(mail.link ?? '').searchParams.get('token') ?? '');
  await createBrowser(cluster.issuer).open(mail.link ?? '');
  const form = await browser.submit(sent, { code: mail.code ?? '' }, '/register/code');
  const done = await browser.submit(form, { password: passwords[0] }, '/register/account');
  expect(done.url).toContain('/account');
}

/** The secret of the app. */
async function addAuthenticator({ plant }: World, browser: Browser): Promise<string> {
  const path = '/account/security/authenticator';
  const page = await browser.open(path);
  const secret = (/<code id="secret"[^>]*>([^<]+)</.exec(page.html)?.[1] ?? '').replaceAll(' ', '');
  plant('authenticator secret', secret);
  const again = await browser.submit(page, { code: '000000', name: 'App' }, path);
  expect(again.status).toBe(400);
  const added = await browser.submit(again, { code: generateSync({ secret }), name: 'App' }, path);
  const codes = (/data-text="([^"]+)"/.exec(added.html)?.[1] ?? '').split('\n');
  expect(codes).toHaveLength(10);
  for (const code of codes) {
    plant('recovery code', code);
    plant('recovery code', code.replaceAll('-', ''));
  }
  return secret;
}

async function signInWrongAndRight({ cluster, plant }: World, secret: string): Promise<void> {
  const browser = createBrowser(cluster.issuer);
  const login = await browser.open('/account');
  const factor = await browser.submit(login, { identifier: email, password: passwords[0] }, '/login');
  const typed = 'ABCD-EFGH-JKMN-PQRS-TVWX-YZ01';
  plant('recovery code', typed);
  const refused = await browser.submit(factor, { code: typed, way: 'recovery-code' }, '/second-factor');
  expect(refused.status).toBe(401);
  await cluster.services.postgres.db('factors').update({ counter: 0 });
  const given = { code: generateSync({ secret }), way: 'totp', remember: 'yes' };
  const home = await browser.submit(refused, given, '/second-factor');
  expect(home.url).toContain('/account');
}

async function recover({ cluster, plant }: World): Promise<void> {
  const mailbox = useMailbox(cluster);
  const browser = createBrowser(cluster.issuer);
  await browser.submit(await browser.open('/recover'), { identifier: email }, '/recover');
  const { link = '' } = await mailbox.next(email, 'recover');
  plant('mailed link', new URL(link).searchParams.get('token') ?? '');
  const form = await browser.open(link);
  const short = await browser.submit(form, { password: 'kiwi' });
  expect(short.status).toBe(400);
  await browser.submit(short, { password: passwords[1] });
  expect((await browser.open(link)).status).toBe(410);
}

async function invited({ cluster, plant }: World): Promise<void> {
  const { organizations, registration } = cluster.services;
  const { id } = await organizations.create({ slug: 'canaries', name: 'Canaries' }, operator);
  await registration.invitations.create(id, { email: 'guest@example.com' }, operator);
  const { link = '' } = await useMailbox(cluster).next('guest@example.com');
  plant('mailed link', new URL(link).searchParams.get('invitation') ?? '');
  expect((await createBrowser(cluster.issuer).open(link)).html).toContain('Canaries');
}
