// The pages of API keys and organizations in a real browser: by keyboard, narrow, in German, without script, and under axe.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { asOperator } from '../../src/api-keys/api-keys.ts';
import { accessibilityFaults, focused, sidewaysScroll, useChromium } from '../support/chromium.ts';
import { operator, password } from '../support/people.ts';
import { needs } from '../support/tools.ts';
import { useWorld, type World } from './world.ts';

const phone = { viewport: { width: 360, height: 740 } };
const desk = { viewport: { width: 1280, height: 900 } };
const KEYS = '/account/keys';

/** Set to a folder, every page that is looked at is also kept there as a picture. */
const pictures = process.env.WALK_PICTURES;

async function keepPicture(page: Page, name: string): Promise<void> {
  if (pictures === undefined) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, `${name}.png`), fullPage: true });
}

async function signIn(page: Page, { issuer, person }: World, path: string): Promise<void> {
  await page.goto(`${issuer}${path}`);
  await page.locator('#identifier').fill(person.email ?? '');
  await page.locator('#password').fill(password);
  await page.locator('form[action$="/login"] button[type=submit]').click();
  await page.waitForURL(`${issuer}${path}`);
}

const PERMISSIONS = ['notes:read', 'notes:write'];
const AUDIENCE = 'https://notes.example.com/api';
const NAME = 'Nightly backup of the harbour office and of all of its moored vessels';

async function populate({ services, person }: World): Promise<{ id: string; organizationId: string }> {
  const { apiKeys, usage, budgets, organizations, registration, accounts } = services;
  const as = asOperator(operator);
  const owner = { kind: 'account', id: person.id } as const;
  const { key } = await apiKeys.create({ name: NAME, permissions: PERMISSIONS, apis: [AUDIENCE], owner }, as);
  const soon = new Date(Date.now() + 9 * 86_400_000);
  const below = { permissions: ['notes:read'], parentId: key.id };
  const reader = await apiKeys.create({ name: 'Reader', ...below, expiresAt: soon }, as);
  await apiKeys.create({ name: 'Deep reader', ...below, parentId: reader.key.id }, as);
  const old = await apiKeys.create({ name: 'Old', permissions: ['notes:read'], owner }, as);
  await apiKeys.revoke(old.key.id, null, as);
  for (let at = 0; at < 40; at += 1) usage.count({ apiKeyId: key.id }, 'verify');
  await usage.flush();
  const scope = { kind: 'api-key', id: key.id } as const;
  await budgets.set({ scope, meter: 'requests', window: 'month', limit: 50 }, operator);
  await budgets.set({ scope, meter: 'money', window: 'total', limit: 20_000_000 }, operator);
  await budgets.spend({ scopes: [scope], amounts: { requests: 45n, money: 4_200_000n } });
  await accounts.change(person.id, { emailVerified: true }, operator);
  const harbour = await organizations.create({ slug: 'harbour', name: 'Harbour Office' }, operator);
  await organizations.addMember(harbour.id, person.id, operator);
  const yard = await organizations.create({ slug: 'yard', name: 'Ship Yard' }, operator);
  await registration.invitations.create(yard.id, { email: person.email ?? '' }, operator);
  return { id: key.id, organizationId: harbour.id };
}

describe.skipIf(needs('chromium'))('the pages of API keys and organizations', () => {
  const chromium = useChromium();
  const world = useWorld();
  const made = { id: '', organizationId: '' };
  beforeAll(async () => {
    Object.assign(made, await populate(world()));
  });

  it.each([
    {
      name: 'phone-dark-de',
      isScripted: false,
      options: { ...phone, locale: 'de-AT', colorScheme: 'dark' as const, javaScriptEnabled: false },
    },
    { name: 'desk-en', isScripted: true, options: { ...desk, locale: 'en-GB' } },
  ])(
    'fit, and have no fault: $name',
    async ({ name, isScripted, options }) => {
      const { page, complaints, close } = await chromium.open(options);
      await signIn(page, world(), KEYS);
      const one = `${KEYS}/${made.id}`;
      const paths = [
        ...[KEYS, `${KEYS}/new`, `${KEYS}/new?parent=${made.id}`, one, `${one}/rotate`, `${one}/revoke`],
        ...['/account/organizations', `/account/organizations/${made.organizationId}/leave`],
      ];
      for (const [at, path] of paths.entries()) {
        await page.goto(`${world().issuer}${path}`);
        await keepPicture(page, `keys-${name}-${at}`);
        // Without script axe does not run either.
        if (isScripted) expect(await accessibilityFaults(page), path).toEqual([]);
        expect(await sidewaysScroll(page), path).toBe(0);
        expect(await page.locator('h1').count(), path).toBe(1);
      }
      expect(complaints()).toEqual([]);
      await close();
    },
    120_000,
  );

  it('make a key by keyboard alone, which is copied by a button', async () => {
    const { page, close } = await chromium.open({
      ...desk,
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await signIn(page, world(), `${KEYS}/new`);
    await page.locator('#name').focus();
    // Past the name of the service to the first of its permissions.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    await page.locator('#name').focus();
    await page.keyboard.press('Enter');
    // The browser itself asks for the name.
    expect(await focused(page)).toBe('name');
    await page.keyboard.type('By keyboard');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'The key “By keyboard” is ready' }).waitFor();
    expect(await accessibilityFaults(page)).toEqual([]);
    await keepPicture(page, 'keys-issued');
    const secret = await page.locator('#secret').textContent();
    expect(secret).toMatch(/^gth_/);
    expect(page.url()).not.toContain(secret ?? '-');
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(secret);
    await page.getByRole('link', { name: 'I have kept it' }).click();
    await page.getByRole('heading', { name: 'By keyboard', exact: true }).waitFor();
    await close();
  }, 60_000);

  it('say beside the fields what is wrong, and start there', async () => {
    const { page, close } = await chromium.open(phone);
    await signIn(page, world(), `${KEYS}/new`);
    await page.locator('#name').fill('Without anything');
    await page.locator('#addresses').fill('at home');
    await page.locator('main form button[type=submit]').click();
    await page.locator('#permissions-error').waitFor();
    expect(await focused(page)).toBe('permissions-error');
    expect(await page.locator('#addresses').inputValue()).toBe('at home');
    expect(await accessibilityFaults(page)).toEqual([]);
    await keepPicture(page, 'keys-wrong');
    await close();
  }, 60_000);
});
