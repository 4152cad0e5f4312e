// Authenticator apps of test people: whoever signs in for a test can answer with a code at any time.
import { generateSync } from 'otplib';
import type { Account } from '../../src/accounts/accounts.ts';
import type { Services } from '../../src/services.ts';
import type { Browser, Shown } from './browser.ts';

type Person = Pick<Account, 'id' | 'email'>;

const codes = new Map<string, () => Promise<string>>();

/** The app is set up; its recovery codes. */
export async function addAuthenticator(services: Services, person: Person): Promise<readonly string[]> {
  const { totp } = services.credentials.factors;
  const by = { kind: 'operator', id: 'test' } as const;
  const { enrolment, secret: shown } = await totp.begin(person.id);
  const secret = shown.replaceAll(' ', '');
  const code = generateSync({ secret });
  const { id, recoveryCodes } = await totp.confirm(person.id, { enrolment, code, name: 'App' }, by);
  codes.set(person.email ?? '', async () => {
    // A code works once, and tests do not wait half a minute for the next one.
    await services.postgres.db('factors').where({ id }).update({ counter: 0 });
    return generateSync({ secret });
  });
  return recoveryCodes ?? [];
}

/** What the app of this person shows. */
export function codeOf(person: Pick<Account, 'email'>): Promise<string> {
  const code = codes.get(person.email ?? '');
  if (code === undefined) throw new Error(`${person.email} has no authenticator app`);
  return code();
}

/** From the page that asks for a second factor to be set up: by an app, past the recovery codes, and on. */
export async function setUpOnTheWay(browser: Browser, page: Shown): Promise<Shown> {
  const choice = hrefIn(page, /href="([^"]+kind=totp)"/);
  const offered = choice === undefined ? page : await browser.open(choice);
  const secret = /<code id="secret"[^>]*>([^<]+)</.exec(offered.html)?.[1] ?? '';
  const code = generateSync({ secret: secret.replaceAll(' ', '') });
  const codes = await browser.submit(offered, { code }, '/enrol-factor/totp');
  return browser.open(hrefIn(codes, /<a class="button" href="([^"]+)"/) ?? '');
}

function hrefIn({ html }: Shown, pattern: RegExp): string | undefined {
  return pattern.exec(html)?.[1]?.replaceAll('&amp;', '&').replaceAll('&#34;', '"');
}
