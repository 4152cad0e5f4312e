// Fields of a profile: what each kind takes, what the operator's file may say, and who sees and changes what.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { profileFrom } from '../../src/accounts/accounts.ts';
import { checkValue } from '../../src/accounts/profile-kinds.ts';
import { ConfigMistakes } from '../../src/platform/config/load.ts';
import { relyingParty } from '../flows/relying-party.ts';
import { createBrowser, type Shown } from '../support/browser.ts';
import { addAuthenticator, codeOf } from '../support/factors.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { callsBy, type Machine, machine } from '../support/management.ts';
import { createPerson, operator, password, signInAt } from '../support/people.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-profile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileWith(content: unknown): string {
  const file = join(folder, `${Math.random()}.json`);
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const own = [
  { name: 'given_name', registration: 'required' },
  {
    name: 'department',
    label: { en: 'Department', de: 'Abteilung' },
    type: 'choice',
    choices: [
      { value: 'sales', label: { en: 'Sales', de: 'Verkauf' } },
      { value: 'works', label: { en: 'Works' } },
    ],
    claim: { scope: 'profile', name: 'department' },
  },
  {
    name: 'grade',
    label: { en: 'Grade' },
    type: 'number',
    changeableBy: ['admin'],
    claim: { scope: 'profile', name: 'grade' },
  },
  { name: 'wishes', label: { en: 'Wishes' }, visibleTo: ['owner'], changeableBy: ['owner'] },
  { name: 'remarks', label: { en: 'Remarks' }, visibleTo: ['admin'], changeableBy: ['admin'] },
];
const file = fileWith({ fields: own });

describe('a value', () => {
  const bounds = { maximumLength: 20, choices: ['a', 'b'] };
  for (const [kind, given, expected] of [
    ['text', '  Ada  ', { value: 'Ada' }],
    ['text', 'Ada 🦉', { value: 'Ada 🦉' }],
    ['text', '   ', { value: null }],
    ['text', null, { value: null }],
    ['text', 'a\u202eb', { mistake: 'invisible' }],
    ['text', 'a\0b', { mistake: 'invisible' }],
    ['text', 'x'.repeat(21), { mistake: 'tooLong' }],
    ['text', 'x'.repeat(10_000), { mistake: 'tooLong' }],
    ['text', 7, { mistake: 'text' }],
    ['number', '42', { value: 42 }],
    ['number', '-1.5', { value: -1.5 }],
    ['number', 'Infinity', { mistake: 'number' }],
    ['number', '', { value: null }],
    ['boolean', 'on', { value: true }],
    ['boolean', '', { value: false }],
    ['boolean', 'maybe', { mistake: 'boolean' }],
    ['choice', 'a', { value: 'a' }],
    ['choice', 'c', { mistake: 'choice' }],
    ['date', '1990-12-31', { value: '1990-12-31' }],
    ['date', '0000-02-29', { value: '0000-02-29' }],
    ['date', '1990', { value: '1990' }],
    ['date', '1990-02-29', { mistake: 'date' }],
    ['url', 'https://a.example', { value: 'https://a.example' }],
    ['url', 'javascript:alert(1)', { mistake: 'url' }],
    ['url', 'https://u:p@a.b', { mistake: 'url' }],
    ['picture', 'http://a.example', { mistake: 'picture' }],
    ['locale', 'de-AT', { value: 'de-AT' }],
    ['zoneinfo', 'Mars/Base', { mistake: 'zoneinfo' }],
  ] as const) {
    it(`of kind ${kind}: ${JSON.stringify(given).slice(0, 40)} is ${JSON.stringify(expected)}`, () => {
      expect(checkValue(kind, given, bounds)).toEqual(expected);
    });
  }
});

describe('PROFILE_FILE', () => {
  for (const [what, content, sentence] of [
    ['no JSON', '{', 'is not a JSON object'],
    ['an unknown type', { fields: [{ name: 'a', label: { en: 'A' }, type: 'colour' }] }, 'field 1, type'],
    ['a bad name', { fields: [{ name: 'A b', label: { en: 'A' } }] }, 'small letters'],
    ['a name of the protocol', { fields: [{ name: 'sub', label: { en: 'A' } }] }, 'uses itself'],
    [
      'a name twice',
      {
        fields: [
          { name: 'a', label: { en: 'A' } },
          { name: 'a', label: { en: 'A' } },
        ],
      },
      'twice',
    ],
    ['no label', { fields: [{ name: 'a' }] }, 'no label'],
    ['no choices', { fields: [{ name: 'a', label: { en: 'A' }, type: 'choice' }] }, 'has no choices'],
    [
      'a claim that is taken',
      { fields: [{ name: 'a', label: { en: 'A' }, claim: { scope: 'profile', name: 'name' } }] },
      'is taken',
    ],
    [
      'another form of a standard claim',
      { fields: [{ name: 'nickname', type: 'number' }] },
      'standard claim',
    ],
  ] as const) {
    it(`with ${what} stops the server with a line that says so`, () => {
      const read = () => profileFrom({ file: fileWith(content) });
      expect(read).toThrow(ConfigMistakes);
      expect(read).toThrow(sentence);
    });
  }

  it('that cannot be read stops it, too', () => {
    expect(() => profileFrom({ file: join(folder, 'absent.json') })).toThrow('cannot be read');
  });
});

describe('a profile', () => {
  const wide = { LIMIT_ADMIN_READ_PER_MINUTE: '1000000', LIMIT_ADMIN_WRITE_PER_MINUTE: '1000000' };
  const gatehouse = useGatehouse({ settings: { PROFILE_FILE: file, ...wide } });
  const made: { machine?: Machine } = {};
  const call = callsBy(gatehouse, () => {
    if (!made.machine) throw new Error('the machine is made first');
    return made.machine;
  });

  it('is told to apps by scope, and nothing of it that has no claim', async () => {
    const { services } = gatehouse;
    const person = await createPerson(services);
    await services.accounts.change(
      person.id,
      {
        givenName: 'Ada',
        profile: {
          ...{ nickname: 'Countess', department: 'sales', grade: 7, wishes: 'tea', remarks: 'late' },
          ...{ street_address: 'Ring 1', locality: 'Wien', country: 'Austria' },
        },
      },
      operator,
    );
    const app = await relyingParty(gatehouse, { scopes: ['openid', 'profile', 'address'] });
    const userinfo = async (scope: string) => {
      const { tokens } = await app.signIn(person, { scope });
      const headers = { authorization: `Bearer ${tokens.access_token}` };
      return (await fetch(`${gatehouse.issuer}/userinfo`, { headers })).json();
    };
    const all = await userinfo('openid profile address');
    expect(all).toMatchObject({
      given_name: 'Ada',
      nickname: 'Countess',
      department: 'sales',
      grade: 7,
      address: { street_address: 'Ring 1', locality: 'Wien', country: 'Austria' },
    });
    expect(JSON.stringify(all)).not.toMatch(/tea|late/);
    expect(Object.keys(Object(await userinfo('openid')))).toEqual(['sub']);
  });

  it('is seen and changed by administrators as far as the file says', async () => {
    made.machine = await machine(gatehouse, ['accounts:read', 'accounts:update', 'accounts:create']);
    const person = await createPerson(gatehouse.services);
    await gatehouse.services.accounts.change(person.id, { profile: { wishes: 'tea' } }, operator);
    const path = `/accounts/${person.id}`;
    const patch = async (profile: object) => {
      const { headers } = await call('GET', path);
      return call('PATCH', path, { body: { profile }, headers: { 'If-Match': headers.get('etag') ?? '' } });
    };
    const good = await patch({ grade: 3, nickname: 'Al', remarks: 'kind' });
    expect(good.status).toBe(200);
    expect(good.body).toMatchObject({ profile: { grade: 3, nickname: 'Al', remarks: 'kind' } });
    expect(JSON.stringify(good.body)).not.toContain('tea');
    const bad = await patch({ wishes: 'x', grade: 'many', department: 'moon', shoes: '1', given_name: 'A' });
    expect(bad.status).toBe(400);
    const emptied = await patch({ nickname: null });
    expect(JSON.stringify(emptied.body)).not.toContain('Al"');
    const account = await gatehouse.services.accounts.find(person.id);
    expect(account?.profile).toEqual({ wishes: 'tea', grade: 3, remarks: 'kind' });
    await expect(
      gatehouse.services.accounts.change(
        person.id,
        { profile: { grade: 'many', department: 'moon', shoes: '1', given_name: 'A' } },
        operator,
      ),
    ).rejects.toMatchObject({
      details: {
        fields: {
          'profile.grade': 'This is a number.',
          'profile.department': expect.stringContaining('none of the values'),
          'profile.shoes': 'There is no such field.',
          'profile.given_name': expect.stringContaining('givenName'),
        },
      },
    });
  });

  describe('that lacks what is required', () => {
    async function lacking(input: { admin?: boolean } = {}) {
      const person = await createPerson(gatehouse.services, input);
      const app = await relyingParty(gatehouse, { firstParty: true });
      const begun = await app.begin();
      const { browser, landed: page } = await signInAt(begun.url, person);
      const now = async () => gatehouse.services.accounts.find(person.id);
      return { person, app, begun, browser, page, now };
    }
    const sessionsOf = async ({ id }: { id: string }) =>
      (await gatehouse.services.postgres.db('oidc_sessions').where({ account_id: id })).length;

    it('is asked for at the sign-in, before anything comes of it, with what is wrong beside the field', async () => {
      const { person, app, begun, browser, page, now } = await lacking();
      expect(page.html).toContain('A few more details');
      // Only what is missing and theirs to fill in.
      expect(page.html.match(/name="field_\w+"/g)).toEqual(['name="field_given_name"']);
      expect(await sessionsOf(person)).toBe(0);
      const empty = await browser.submit(page, { field_given_name: ' ' }, '/profile');
      expect([empty.status, empty.html.includes('id="field_given_name-error"')]).toEqual([400, true]);
      expect(empty.html).toContain('<title>Error: A few more details');
      const evil = await browser.submit(empty, { field_given_name: 'A\u202eda' }, '/profile');
      expect(evil.html).toContain('turn the direction of writing');
      browser.headers['accept-language'] = 'de';
      const german = await browser.submit(evil, { field_given_name: '' }, '/profile');
      expect(german.html).toContain('Noch ein paar Angaben');
      const more = { field_grade: '9', field_nickname: 'Al', field_remarks: 'x', grade: '9' };
      const done = await browser.submit(german, { field_given_name: 'Ada', ...more }, '/profile');
      await app.finish(done.url, begun);
      expect(await now()).toMatchObject({ givenName: 'Ada', profile: {} });
      const again = await app.begin();
      expect((await browser.open(again.url)).url).toContain('code=');
    });

    it('is no way around a second factor, nor around the password', async () => {
      const person = await createPerson(gatehouse.services);
      await addAuthenticator(gatehouse.services, person);
      const app = await relyingParty(gatehouse, { firstParty: true });
      const browser = createBrowser(gatehouse.issuer);
      const login = await browser.open((await app.begin()).url);
      const jump = (page: Shown) => {
        const action = page.url.replace(/(\/interaction\/[^/]+).*/, '$1/profile');
        const [form] = page.forms;
        if (form === undefined) throw new Error('a page with a form is needed');
        return browser.submit({ ...page, forms: [{ ...form, action }] }, { field_given_name: 'Eve' }, action);
      };
      expect((await jump(login)).html).toContain('name="password"');
      const first = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
      const still = await jump(first);
      expect(still.html).toContain('/second-factor"');
      expect((await gatehouse.services.accounts.find(person.id))?.givenName).toBeNull();
      const second = await browser.submit(still, { code: await codeOf(person) }, '/second-factor');
      expect(second.html).toContain('A few more details');
      expect(await sessionsOf(person)).toBe(0);
    });

    it('is asked of a session, too, that goes on afterwards; silently nothing is given out', async () => {
      const { person, app, browser, page } = await lacking();
      await browser.submit(page, { field_given_name: 'Ada' }, '/profile');
      await gatehouse.services.accounts.change(person.id, { givenName: null }, operator);
      const silent = await browser.open((await app.begin({ prompt: 'none' })).url);
      expect(silent.url).toContain('error=interaction_required');
      const asked = await browser.open((await app.begin()).url);
      const done = await browser.submit(asked, { field_given_name: 'Ada' }, '/profile');
      expect(done.url).toContain('code=');
      expect(await sessionsOf(person)).toBe(1);
    });

    it('cannot be emptied by its owner', async () => {
      const { browser, page, now } = await lacking();
      await browser.submit(page, { field_given_name: 'Ada' }, '/profile');
      const mine = await browser.open('/account/profile');
      const emptied = await browser.submit(mine, { field_given_name: '' }, '/account/profile');
      expect(emptied.status).toBe(400);
      expect((await now())?.givenName).toBe('Ada');
    });
  });
});
