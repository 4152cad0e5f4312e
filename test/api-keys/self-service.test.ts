// The pages of one's own API keys: what may be chosen, what is shown once, and that nothing gets around the rules of keys.
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type ApiKeys, asOperator } from '../../src/api-keys/api-keys.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createApi, createPerson, operator, signInAt } from '../support/people.ts';

const server = useGatehouse();
const KEYS = '/account/keys';
const AUDIENCE = 'https://notes.example/api';
const secretIn = (page: Shown) => /id="secret"[^>]*>([^<]+)</.exec(page.html)?.[1] ?? '';
/** What a box of the form sends, by the permission that it is for. */
const boxOf = (page: Shown, permission: string): Record<string, string> => {
  const [, name = '', value = ''] =
    new RegExp(`name="(permission-\\d+)" value="([^"]* ${permission})"`).exec(page.html) ?? [];
  return name === '' ? {} : { [name]: value };
};

interface Somebody {
  readonly person: Awaited<ReturnType<typeof createPerson>>;
  readonly browser: Browser;
}

async function somebody(): Promise<Somebody> {
  const person = await createPerson(server.services);
  const { browser } = await signInAt(`${server.issuer}${KEYS}`, person, createBrowser(server.issuer));
  return { person, browser };
}

async function make({ browser }: Somebody, fields: Record<string, string> = {}): Promise<Shown> {
  const form = await browser.open(`${KEYS}/new`);
  return browser.submit(
    form,
    { name: 'Backup', life: '90', ...boxOf(form, 'notes:read'), ...fields },
    '/new',
  );
}

const keysOf = async (accountId: string) =>
  (
    await server.services.apiKeys.list(
      { ownerKind: 'account', ownerId: accountId },
      { limit: 50, cursor: null },
      asOperator(operator),
    )
  ).items;

async function keyFor(
  accountId: string,
  more: Partial<Parameters<ApiKeys['create']>[0]> = {},
): Promise<{ id: string; secret: string }> {
  const { key, secret } = await server.services.apiKeys.create(
    {
      name: 'Backup',
      permissions: ['notes:read'],
      ...(more.parentId ? {} : { owner: { kind: 'account', id: accountId } as const }),
      ...more,
    },
    asOperator(operator),
  );
  return { id: key.id, secret };
}

const works = async (secret: string) =>
  'key' in (await server.services.apiKeys.authenticate(secret, { address: null }));

const refused = (shown: Shown, status: number) =>
  expect(shown.status, shown.html.slice(0, 3000)).toBe(status);

describe('the pages of API keys', () => {
  beforeAll(async () => {
    await createApi(server.services, { audience: AUDIENCE });
  });

  afterEach(() => vi.restoreAllMocks());

  it('offers one thing to do where there is no key yet', async () => {
    const { browser } = await somebody();
    const page = await browser.open(KEYS);
    expect(page.html).toContain('No keys yet');
    expect(page.html.match(/href="[^"]*\/account\/keys\/new"/g)).toHaveLength(1);
  });

  it('makes a key for the chosen service, shows it once and keeps it from every cache', async () => {
    const who = await somebody();
    const page = await make(who, { addresses: '192.0.2.10, 198.51.100.0/24' });
    const secret = secretIn(page);
    expect(secret).toMatch(/^gth_/);
    expect(page.headers.get('cache-control')).toContain('no-store');
    expect(page.url).not.toContain(secret);
    expect(page.html).toContain('cannot be shown again');
    const [key] = await keysOf(who.person.id);
    expect(key).toMatchObject({
      name: 'Backup',
      permissions: ['notes:read'],
      apis: [AUDIENCE],
      allowedAddresses: ['192.0.2.10', '198.51.100.0/24'],
    });
    const days = ((key?.expiresAt?.getTime() ?? 0) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(89);
    expect(days).toBeLessThan(91);
    const list = await who.browser.open(KEYS);
    const one = await who.browser.open(`${KEYS}/${key?.id}`);
    for (const shown of [list, one]) {
      expect(shown.html).not.toContain(secret);
      expect(shown.html).toContain('Read your notes.');
      expect(shown.html).toContain('Requests: 0 in 7 days, 0 in 30 days');
    }
    const { items } = await server.services.audit.list(
      { accountId: who.person.id, type: 'api-key.created' },
      { limit: 5, cursor: null },
    );
    expect(items[0]?.actor).toEqual({ kind: 'account', id: who.person.id });
    expect(JSON.stringify(items)).not.toContain(secret);
  });

  it('says beside each field what is wrong, and keeps what was typed', async () => {
    const who = await somebody();
    const form = await who.browser.open(`${KEYS}/new`);
    const empty = await who.browser.submit(form, { name: ' ', life: '4000' }, '/new');
    refused(empty, 400);
    expect(empty.html).toContain('id="name-error"');
    expect(empty.html).toContain('id="permissions-error"');
    expect(empty.html).toContain('id="life-error"');
    const wrong = await make(who, { addresses: 'my house' });
    refused(wrong, 400);
    expect(wrong.html).toContain('id="addresses-error"');
    expect(wrong.html).toContain('value="my house"');
    expect(wrong.html).toMatch(/ notes:read" checked/);
    expect(await keysOf(who.person.id)).toEqual([]);
  });

  it('gives no permission that the person does not hold, whatever the form says', async () => {
    const who = await somebody();
    const form = await who.browser.open(`${KEYS}/new`);
    expect(form.html).not.toContain('accounts:read');
    const forged = { name: 'Mine', life: '90', 'permission-1': '- accounts:read' };
    refused(await who.browser.submit(form, forged, '/new'), 400);
    expect(await keysOf(who.person.id)).toEqual([]);
  });

  it('offers a sub-key only what the key above it has, and no longer than that lives', async () => {
    const who = await somebody();
    const ends = new Date(Date.now() + 20 * 86_400_000);
    const { id } = await keyFor(who.person.id, { apis: [AUDIENCE], expiresAt: ends });
    const form = await who.browser.open(`${KEYS}/new?parent=${id}`);
    expect(boxOf(form, 'notes:read')).not.toEqual({});
    expect(boxOf(form, 'notes:write')).toEqual({});
    expect(form.html).toContain('value="parent"');
    expect(form.html).not.toContain('value="90"');
    const fields = { name: 'Reader', life: 'parent', ...boxOf(form, 'notes:read') };
    expect(secretIn(await who.browser.submit(form, fields, id))).toMatch(/^gth_/);
    const made = (await keysOf(who.person.id)).find(({ parentId }) => parentId === id);
    expect(made).toMatchObject({ name: 'Reader', expiresAt: ends });
    const list = await who.browser.open(KEYS);
    expect(list.html).toMatch(/Sub-keys of Backup[\s\S]*Reader/);
  });

  it('rotates with the overlap that is chosen', async () => {
    const who = await somebody();
    const { id, secret } = await keyFor(who.person.id);
    const form = await who.browser.open(`${KEYS}/${id}/rotate`);
    const kept = secretIn(await who.browser.submit(form, { overlap: '3600' }, '/rotate'));
    expect(await works(secret)).toBe(true);
    expect(await works(kept)).toBe(true);
    expect((await who.browser.open(`${KEYS}/${id}`)).html).toContain('Earlier secret');
    const again = await who.browser.open(`${KEYS}/${id}/rotate`);
    const last = secretIn(await who.browser.submit(again, { overlap: '0' }, '/rotate'));
    expect([await works(secret), await works(kept), await works(last)]).toEqual([false, false, true]);
    refused(await who.browser.submit(again, { overlap: '99999999' }, '/rotate'), 400);
  });

  it('makes one key and one secret of a form that is sent twice, and shows it to the second sending, too', async () => {
    const who = await somebody();
    const form = await who.browser.open(`${KEYS}/new`);
    const fields = { name: 'Twice', life: '90', ...boxOf(form, 'notes:read') };
    // At once, as a second click does; and again, as a slow network does.
    const both = [
      who.browser.submit(form, fields, '/new'),
      who.browser.submit(form, fields, '/new'),
      who.browser.submit(form, fields, '/new'),
    ];
    const secrets = (await Promise.all(both)).map(secretIn);
    secrets.push(secretIn(await who.browser.submit(form, fields, '/new')));
    expect(new Set(secrets).size).toBe(1);
    expect(await works(secrets[0] ?? '')).toBe(true);
    const [key, ...others] = await keysOf(who.person.id);
    expect(others).toEqual([]);

    const rotation = await who.browser.open(`${KEYS}/${key?.id}/rotate`);
    const first = secretIn(await who.browser.submit(rotation, { overlap: '0' }, '/rotate'));
    expect(secretIn(await who.browser.submit(rotation, { overlap: '0' }, '/rotate'))).toBe(first);
    expect(await works(first)).toBe(true);

    // Other words in the same form are another wish, and another form of the same words is one, too.
    await who.browser.submit(form, { ...fields, name: 'Thrice' }, '/new');
    await who.browser.submit(await who.browser.open(`${KEYS}/new`), fields, '/new');
    expect((await keysOf(who.person.id)).map(({ name }) => name).sort()).toEqual([
      'Thrice',
      'Twice',
      'Twice',
    ]);
  });

  it('shows the secret of a form that is sent again later no more, nor to another session', async () => {
    const who = await somebody();
    const form = await who.browser.open(`${KEYS}/new`);
    const fields = { name: 'Later', life: '90', ...boxOf(form, 'notes:read') };
    const secret = secretIn(await who.browser.submit(form, fields, '/new'));
    const once = form.forms.find(({ action }) => action.endsWith('/new'))?.fields.once ?? '';
    const { browser } = await signInAt(`${server.issuer}${KEYS}`, who.person, createBrowser(server.issuer));
    const other = await browser.submit(await browser.open(`${KEYS}/new`), { ...fields, once }, '/new');
    expect(secretIn(other)).not.toBe(secret);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 60_000 });
    const again = await who.browser.submit(form, fields, '/new');
    vi.useRealTimers();
    expect(again.html).toContain('This was done already');
    expect(again.html).not.toContain(secret);
    expect(await keysOf(who.person.id)).toHaveLength(2);
  });

  it('switches a key off and on, renames it, and revokes it with those below after asking', async () => {
    const who = await somebody();
    const { id, secret } = await keyFor(who.person.id);
    const below = await keyFor(who.person.id, { parentId: id, name: 'Below' });
    const page = await who.browser.open(`${KEYS}/${id}`);
    const off = await who.browser.submit(page, {}, '/disable');
    expect(off.html).toContain('The key is switched off.');
    expect(await works(secret)).toBe(false);
    const on = await who.browser.submit(off, {}, '/enable');
    expect(await works(secret)).toBe(true);
    const named = await who.browser.submit(on, { name: 'Archive' }, id);
    expect(named.html).toContain('Archive');
    refused(await who.browser.submit(named, { name: '' }, id), 400);
    const sure = await who.browser.open(`${KEYS}/${id}/revoke`);
    expect(sure.html).toContain('One sub-key ends with it.');
    const done = await who.browser.submit(sure, {}, '/revoke');
    expect(done.html).toContain('The key works no more.');
    expect([await works(secret), await works(below.secret)]).toEqual([false, false]);
  });

  it('asks anew who one is before a key is made, gets a new secret or works again, and not to stop one', async () => {
    const who = await somebody();
    const { id, secret } = await keyFor(who.person.id);
    const open = await who.browser.open(`${KEYS}/new`);
    const rotation = await who.browser.open(`${KEYS}/${id}/rotate`);
    const now = Date.now();
    vi.spyOn(Date, 'now').mockImplementation(() => now + 11 * 60_000);
    const asksAnew = (shown: Shown) =>
      expect(shown.forms.some(({ action }) => /\/login$/.test(action))).toBe(true);
    asksAnew(await who.browser.open(`${KEYS}/new`));
    asksAnew(await who.browser.submit(open, { name: 'X', life: '90', ...boxOf(open, 'notes:read') }, '/new'));
    asksAnew(await who.browser.submit(rotation, { overlap: '0' }, '/rotate'));
    expect(await keysOf(who.person.id)).toHaveLength(1);
    expect(await works(secret)).toBe(true);
    const off = await who.browser.submit(await who.browser.open(`${KEYS}/${id}`), {}, '/disable');
    expect(await works(secret)).toBe(false);
    asksAnew(await who.browser.submit(off, {}, '/enable'));
    expect(await works(secret)).toBe(false);
  });

  it('shows and changes nothing of anybody else', async () => {
    const owner = await somebody();
    const stranger = await somebody();
    const { id, secret } = await keyFor(owner.person.id);
    for (const path of ['', '/rotate', '/revoke']) {
      refused(await stranger.browser.open(`${KEYS}/${id}${path}`), 404);
    }
    refused(await stranger.browser.open(`${KEYS}/new?parent=${id}`), 404);
    const own = await keyFor(stranger.person.id);
    const page = await stranger.browser.open(`${KEYS}/${own.id}`);
    for (const act of ['disable', 'revoke']) {
      const form = page.forms.find(({ action }) => action.endsWith('/disable'));
      const action = form?.action.replace(own.id, id).replace('disable', act) ?? '';
      const forged = { ...page, forms: [{ action, method: 'post', fields: form?.fields ?? {} }] };
      refused(await stranger.browser.submit(forged, {}), 404);
    }
    expect(await works(secret)).toBe(true);
  });

  it('makes keys that act in an organization of the person, and in no other', async () => {
    const who = await somebody();
    const { organizations } = server.services;
    const inside = await organizations.create({ slug: 'inside', name: 'Inside' }, operator);
    const outside = await organizations.create({ slug: 'outside', name: 'Outside' }, operator);
    await organizations.addMember(inside.id, who.person.id, operator);
    const form = await who.browser.open(`${KEYS}/new`);
    expect(form.html).toContain('Inside');
    expect(form.html).not.toContain('Outside');
    const placed = await who.browser.open(`${KEYS}/new?in=${inside.id}`);
    const fields = { name: 'There', life: '30', ...boxOf(placed, 'notes:read') };
    expect(secretIn(await who.browser.submit(placed, fields, inside.id))).toMatch(/^gth_/);
    expect(await keysOf(who.person.id)).toMatchObject([{ organizationId: inside.id }]);
    refused(await who.browser.open(`${KEYS}/new?in=${outside.id}`), 404);
  });

  it('shows requests day by day, and budgets with words beside their bars', async () => {
    const who = await somebody();
    const { id } = await keyFor(who.person.id);
    const { usage, budgets } = server.services;
    usage.count({ apiKeyId: id }, 'verify');
    usage.count({ apiKeyId: id }, 'token');
    await usage.flush();
    const scope = { kind: 'api-key', id } as const;
    await budgets.set({ scope, meter: 'requests', window: 'month', limit: 1000 }, operator);
    await budgets.spend({ scopes: [scope], amounts: { requests: 250n } });
    for (const path of [KEYS, `${KEYS}/${id}`]) {
      const { html } = await who.browser.open(path);
      expect(html).toContain('Requests: 2 in 7 days, 2 in 30 days');
      expect(html).toMatch(/Requests per month<\/span> <span[^>]*>250 of 1,000/);
      expect(html).toMatch(/<meter[^>]*max="1000"[^>]*value="250"/);
    }
    expect((await who.browser.open(`${KEYS}/${id}`)).html).toContain('Most on');
  });

  it('reminds of a key that ends soon on the first page of the account', async () => {
    const who = await somebody();
    expect((await who.browser.open('/account')).html).not.toContain('An API key ends soon');
    await keyFor(who.person.id, { expiresAt: new Date(Date.now() + 5 * 86_400_000) });
    expect((await who.browser.open('/account')).html).toContain('An API key ends soon');
    expect((await who.browser.open(KEYS)).html).toContain('Ends soon');
  });
});
