// What can go wrong at the set-up page: each mistake is shown beside its field, and the link works until it has worked.
import { describe, expect, it } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { password } from '../support/people.ts';

const gatehouse = useGatehouse();
const admin = { email: 'root@example.com', username: '', name: '', password };

describe('the set-up form', () => {
  it.each([
    ['email', { email: 'no address' }, 'Please enter an email address'],
    ['email', { email: `${'x'.repeat(300)}@example.com` }, 'This is too long.'],
    ['email', { email: '' }, 'Please fill in this field.'],
    ['username', { username: 'with@sign' }, 'Letters, digits, dots'],
    ['username', { username: 'x'.repeat(10_000) }, 'This is too long.'],
    ['name', { name: 'x'.repeat(10_000) }, 'This is too long.'],
    ['password', { password: 'short' }, 'at least 15 characters'],
    ['password', { password: 'root@example.com root@example.com' }, 'too close to your name'],
    ['password', { password: 'x'.repeat(3000) }, 'This password is too long.'],
  ])('says at %s what is wrong with %j, and keeps the link', async (field, wrong, sentence) => {
    const token = (await gatehouse.services.setup.newLink()) ?? '';
    const browser = createBrowser(gatehouse.issuer);
    const page = await browser.open(`${gatehouse.issuer}/setup?token=${token}`);
    const refused = await browser.submit(page, { ...admin, ...wrong });
    expect(refused.status).toBe(400);
    const beside = new RegExp(`id="${field}-error">.*?<span>([^<]*)`, 's').exec(refused.html)?.[1];
    expect(beside).toContain(sentence);
    expect(refused.html).not.toContain('type="password" value');
    expect((await browser.open(`${gatehouse.issuer}/setup?token=${token}`)).status).toBe(200);
    expect(await gatehouse.services.accounts.hasAny()).toBe(false);
  });

  it('leads back to itself when the form has expired', async () => {
    const token = (await gatehouse.services.setup.newLink()) ?? '';
    const page = await createBrowser(gatehouse.issuer).open(`${gatehouse.issuer}/setup?token=${token}`);
    const refused = await createBrowser(gatehouse.issuer).submit(page, admin);
    expect(refused.status).toBe(403);
    expect(refused.html).toContain(`href="/setup?token=${token}"`);
  });

  it('makes one administrator, however often it is sent at the same time', async () => {
    const token = (await gatehouse.services.setup.newLink()) ?? '';
    const browser = createBrowser(gatehouse.issuer);
    const page = await browser.open(`${gatehouse.issuer}/setup?token=${token}`);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        browser.submit(page, { ...admin, email: `root${index}@example.com` }),
      ),
    );
    expect(answers.filter((answer) => answer.status === 200)).toHaveLength(1);
    expect(await gatehouse.database.db('accounts').count()).toEqual([{ count: '1' }]);
    expect((await browser.open(`${gatehouse.issuer}/setup?token=${token}`)).status).toBe(404);
    expect(await gatehouse.services.setup.newLink()).toBeUndefined();
  });
});
