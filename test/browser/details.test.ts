// What a browser alone can tell: keyboard, focus, double clicks, redirects that the content policy must let through.
import { describe, expect, it } from 'vitest';
import { focused, useChromium } from '../support/chromium.ts';
import { createClient, password } from '../support/people.ts';
import { needs } from '../support/tools.ts';
import { useWorld } from './world.ts';

describe.skipIf(needs('chromium'))('a browser at a running server', () => {
  const chromium = useChromium();
  const world = useWorld();

  it('signs in and consents by keyboard alone', async () => {
    const { page, close } = await chromium.open();
    await page.goto(world().authorizeUrl());
    expect(await focused(page)).toBe('identifier');
    await page.keyboard.type(world().person.email ?? '');
    await page.keyboard.press('Tab');
    expect(await focused(page)).toBe('password');
    await page.keyboard.type(password);
    await page.keyboard.press('Enter');
    await page.waitForSelector('button[form=allow]');

    const visited: string[] = [];
    while (visited.at(-1) !== 'Allow' && visited.length < 10) {
      await page.keyboard.press('Tab');
      visited.push(await focused(page));
      expect(await outlined(page), visited.at(-1)).toBe(true);
    }
    expect(visited).toEqual(['Use another account', 'Allow']);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${world().party}/callback?**code=**`);
    await close();
  });

  it('puts the focus where something has to change after a refused form', async () => {
    const { page, close } = await chromium.open();
    await page.goto(world().authorizeUrl());
    await page.locator('#identifier').fill('ada');
    await page.locator('#password').fill('wrong');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=alert]');
    expect(await focused(page)).toBe('password');
    expect(await page.locator('#identifier').inputValue()).toBe('ada');
    expect(await page.locator('#password').inputValue()).toBe('');
    expect(await page.title()).toMatch(/^Error: /);
    // White space passes the browser's own check and fails ours.
    await page.locator('#identifier').fill('   ');
    await page.locator('#password').fill('x');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#identifier-error');
    expect(await focused(page)).toBe('identifier');
    expect(await page.locator('#identifier').getAttribute('aria-describedby')).toContain('identifier-error');
    await close();
  });

  it('tells password managers what each field is', async () => {
    const { page, close } = await chromium.open();
    await page.goto(world().authorizeUrl());
    expect(await page.locator('#identifier').getAttribute('autocomplete')).toBe('username webauthn');
    expect(await page.locator('#password').getAttribute('autocomplete')).toBe('current-password');
    await close();
  });

  it.each([true, false])('survives a double click on the sign-in button, script: %s', async (script) => {
    const { page, close } = await chromium.open({ javaScriptEnabled: script });
    await page.goto(world().authorizeUrl());
    await page.locator('#identifier').fill(world().person.email ?? '');
    await page.locator('#password').fill(password);
    await page.locator('form[action$="/login"] button[type=submit]').dblclick();
    await page.waitForSelector('button[form=allow]');
    await page.locator('button[form=allow]').dblclick();
    await page.waitForURL(`${world().party}/callback?**code=**`);
    await close();
  });

  it.each([
    ['a custom scheme', 'com.example.harbour:/callback'],
    ['a loopback address of IPv6', 'http://[::1]:47999/callback'],
    ['another origin', 'https://app.invalid/callback'],
  ])('lets a form lead to %s', async (_name, redirectUri) => {
    const { client } = await createClient(world().services, { kind: 'native', redirectUris: [redirectUri] });
    const { page, complaints, close } = await chromium.open();
    const left = new Promise<string>((resolve) => {
      page.on('request', (request) => {
        if (request.url().startsWith(redirectUri)) resolve(request.url());
      });
      page.on('response', (response) => {
        const { location } = response.headers();
        if (location?.startsWith(redirectUri)) resolve(location);
      });
    });
    await page.goto(
      world().authorizeUrl({
        client_id: client.id,
        redirect_uri: redirectUri,
        scope: 'openid',
        resource: '',
      }),
    );
    await page.locator('form[action$="/cancel"] button').click({ noWaitAfter: true });
    expect(await left).toContain('error=access_denied');
    await page.waitForTimeout(300);
    expect(complaints().filter((text) => /content security policy/i.test(text))).toEqual([]);
    await close();
  });

  it('answers by form_post through a page of ours', async () => {
    const { page, complaints, close } = await chromium.open();
    await page.goto(world().authorizeUrl({ response_mode: 'form_post' }));
    await page.locator('form[action$="/cancel"] button').click();
    await page.waitForURL(`${world().party}/callback`);
    expect(await page.locator('p').textContent()).toBe('POST');
    expect(complaints()).toEqual([]);
    await close();
  });

  it('keeps two sign-ins in two tabs apart', async () => {
    const { page, close } = await chromium.open();
    const second = await page.context().newPage();
    await page.goto(world().authorizeUrl({ state: 'first' }));
    await second.goto(world().authorizeUrl({ state: 'second' }));
    for (const tab of [page, second]) {
      await tab.locator('#identifier').fill(world().person.email ?? '');
      await tab.locator('#password').fill(password);
      await tab.keyboard.press('Enter');
      await tab.waitForSelector('button[form=allow], .steps');
    }
    await page.locator('button[form=allow]').click();
    await page.waitForURL(`${world().party}/callback?**state=first**`);
    // The second began without a session, which the first has made since: it is told so and starts again.
    expect(await second.locator('h1').count()).toBe(1);
    await close();
  });
});

const outlined = (page: { evaluate(script: string): Promise<unknown> }) =>
  page.evaluate(`getComputedStyle(document.activeElement).outlineStyle !== 'none'`);
