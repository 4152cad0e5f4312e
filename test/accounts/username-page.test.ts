// The page on which somebody chooses the name to sign in with.
import { afterEach, expect, it, vi } from 'vitest';
import { createBrowser } from '../support/browser.ts';
import { useGatehouse } from '../support/gatehouse.ts';
import { createPerson, operator, password } from '../support/people.ts';

const server = useGatehouse();
const PATH = '/account/username';

afterEach(() => {
  vi.useRealTimers();
});

async function opened(path: string) {
  const person = await createPerson(server.services);
  const browser = createBrowser(server.issuer);
  const login = await browser.open(path);
  const page = await browser.submit(login, { identifier: person.email ?? '', password }, '/login');
  const nameNow = async () => (await server.services.accounts.find(person.id))?.username;
  return { person, browser, page, nameNow };
}

it('changes it; one that is taken or no name is told beside the field, with what was typed', async () => {
  await server.services.accounts.create({ username: 'grace' }, operator);
  const { browser, page, nameNow } = await opened(PATH);
  const taken = await browser.submit(page, { username: 'Grace' }, PATH);
  expect([taken.status, taken.html.includes('id="username-error"')]).toEqual([400, true]);
  expect(taken.html).toContain('value="Grace"');
  const none = await browser.submit(taken, { username: 'a @ b' }, PATH);
  expect(none.html).toContain('id="username-error"');
  const done = await browser.submit(none, { username: ' ada.l ' }, PATH);
  expect(done.url).toContain('/account/profile?done=saved');
  expect(await nameNow()).toBe('ada.l');
  await browser.submit(await browser.open(PATH), { username: '' }, PATH);
  expect(await nameNow()).toBeNull();
});

it('asks for a recent sign-in, and the rest of the profile does not and leaves it alone', async () => {
  const { person, browser, page, nameNow } = await opened(PATH);
  await server.services.accounts.change(person.id, { username: 'kept' }, operator);
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 11 * 60_000 });
  const refused = await browser.submit(page, { username: 'other' }, PATH);
  expect(refused.url).toContain('/interaction/');
  const profile = await browser.open('/account/profile');
  await browser.submit(profile, { username: 'other', field_nickname: 'Ada' }, '/account/profile');
  expect(await nameNow()).toBe('kept');
  expect((await server.services.accounts.find(person.id))?.profile).toMatchObject({ nickname: 'Ada' });
});
