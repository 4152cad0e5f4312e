// Language, colours and time zone: chosen once, seen on every page, also on those before the sign-in.
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, password } from '../support/people.ts';

const server = useGatehouse();

async function opened(email: string) {
  const person = await createPerson(server.services, { email });
  const browser = createBrowser(server.issuer);
  const page = await browser.submit(
    await browser.open('/account/appearance'),
    { identifier: email, password },
    '/login',
  );
  return { person, browser, page };
}

describe('language and appearance', () => {
  it('is kept with the account, and followed by the pages that come before the sign-in', async () => {
    const { person, browser, page } = await opened('ida@example.com');
    const choice = { appearance: 'dark', language: 'de', zone: 'Europe/Vienna' };
    const saved = await browser.submit(page, choice, '/account/appearance');
    expect(saved.html).toContain('Ihre Änderungen sind gespeichert.');
    expect(saved.html).toContain('<html lang="de"');
    expect(saved.html).toContain('<meta name="color-scheme" content="dark">');
    expect(await server.services.accounts.find(person.id)).toMatchObject({
      locale: 'de',
      zoneinfo: 'Europe/Vienna',
      appearance: 'dark',
    });
    const out = await browser.submit(saved, {}, '/sign-out');
    expect(out.html).toContain('<html lang="de"');
    const signIn = await browser.open('/account');
    expect(signIn.html).toContain('<meta name="color-scheme" content="dark">');
  });

  it('follows the device and the browser again', async () => {
    const { browser, page } = await opened('jan@example.com');
    const dark = { appearance: 'contrast', language: 'de', zone: '' };
    const saved = await browser.submit(page, dark, '/account/appearance');
    expect(browser.cookies.get('gatehouse_look')).toBe('contrast.de');
    const plain = { appearance: 'system', language: '', zone: '' };
    const again = await browser.submit(saved, plain, '/account/appearance');
    expect(again.html).toContain('<html lang="en"');
    expect(browser.cookies.has('gatehouse_look')).toBe(false);
  });

  it.each([
    { appearance: 'pink', language: '', zone: '' },
    { appearance: 'dark', language: 'tlh', zone: '' },
    { appearance: 'dark', language: '', zone: 'Mars/Olympus' },
  ])('takes only what there is to choose from: %o', async (choice) => {
    const { person, browser, page } = await opened(`${JSON.stringify(choice).length}@example.com`);
    await browser.submit(page, choice, '/account/appearance');
    expect(await server.services.accounts.find(person.id)).toMatchObject({
      appearance: 'system',
      locale: null,
      zoneinfo: null,
    });
  });

  it.each(['%', 'dark', 'dark.de%3b', 'system.<script>', 'dark.xx-YY'])(
    'is not confused by a cookie that somebody wrote: %s',
    async (value) => {
      const page = await fetch(`${server.issuer}/`, { headers: { cookie: `gatehouse_look=${value}` } });
      expect(page.status).toBe(200);
      expect(await page.text()).toContain('<html lang="en"');
    },
  );
});
