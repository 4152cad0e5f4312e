// Facts: what they are made of, that they stay the same object, and that every change is in them at once, on other nodes soon.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/lib/ids.ts';
import { operator } from '../clients/support.ts';
import { useDatabase } from '../support/database.ts';
import { createAccessNode, everything } from './world.ts';

const { postgres, db } = useDatabase();
const node = createAccessNode(postgres);
const other = createAccessNode(postgres);
const { access, organizations } = node;
beforeAll(async () => {
  await node.start();
  await other.start();
});
afterAll(async () => {
  await node.changes.stop();
  await other.changes.stop();
});

const of = (id: string, organizationId: string | null = null, on = access) =>
  on.factsOf({ kind: 'account', id }, organizationId);

describe('the facts of an account', () => {
  it('are the permissions of its roles with what those inherit, and where each is from', async () => {
    const reader = await node.role(['files:read'], { name: 'file-reader' });
    const writer = await node.role(['files:write'], { name: 'file-writer', parents: [reader.id] });
    const { id, email, username } = await node.person();
    await node.give(writer.id, id);
    const facts = await of(id);
    expect(facts?.permissions.texts).toEqual(['files:read', 'files:write']);
    expect(facts?.roles).toEqual(['file-reader', 'file-writer']);
    expect(facts?.sources).toEqual([
      { permission: 'files:read', via: 'role file-reader, inherited by file-writer' },
      { permission: 'files:write', via: 'role file-writer' },
    ]);
    expect(facts?.identifiers).toEqual([id, email, username]);
  });

  it('in an organization are also what it and its teams were assigned there, and nothing of another one', async () => {
    const [one, two] = [await node.organization(), await node.organization()];
    const [here, there, everywhere, byTeam] = [
      await node.role(['here:read']),
      await node.role(['there:read']),
      await node.role(['everywhere:read']),
      await node.role(['team:read'], { name: 'helper' }),
    ];
    const { id } = await node.person();
    for (const place of [one, two]) await organizations.addMember(place.id, id, operator);
    const team = await organizations.createTeam(one.id, { name: 'Support' }, operator);
    await organizations.addTeamMember(one.id, team.id, id, operator);
    await node.give(here.id, id, one.id);
    await node.give(there.id, id, two.id);
    await node.give(everywhere.id, id);
    const toTeam = {
      roleId: byTeam.id,
      subject: { kind: 'team', id: team.id },
      organizationId: null,
    } as const;
    await access.assign(toTeam, everything);
    expect((await of(id, one.id))?.permissions.texts).toEqual(['everywhere:read', 'here:read', 'team:read']);
    expect((await of(id, two.id))?.permissions.texts).toEqual(['everywhere:read', 'there:read']);
    expect((await of(id))?.permissions.texts).toEqual(['everywhere:read']);
    expect((await of(id, one.id))?.sources).toContainEqual({
      permission: 'team:read',
      via: 'role helper (in team Support)',
    });
    await organizations.removeTeamMember(one.id, team.id, id, operator);
    expect((await of(id, one.id))?.permissions.texts).toEqual(['everywhere:read', 'here:read']);
  });

  it('are not there for somebody unknown, suspended, or no member of the organization', async () => {
    const place = await node.organization();
    const { id } = await node.person();
    await organizations.addMember(place.id, id, operator);
    expect(await of('acc_00000000000000000000000000')).toBeUndefined();
    expect(await of('a\0b')).toBeUndefined();
    expect(await of(id, place.id)).toBeDefined();
    await node.accounts.suspend(id, null, operator);
    expect(await of(id)).toBeUndefined();
    await node.accounts.reinstate(id, operator);
    expect(await of(id, place.id)).toBeDefined();
    await organizations.suspend(place.id, null, operator);
    expect(await of(id, place.id)).toBeUndefined();
    await organizations.reinstate(place.id, operator);
    expect(await of(id, place.id)).toBeDefined();
    await organizations.removeMember(place.id, id, operator);
    expect(await of(id, place.id)).toBeUndefined();
    expect(await of(id)).toBeDefined();
    await node.accounts.remove(id, operator);
    expect(await of(id)).toBeUndefined();
  });

  it('have what APIs give to everyone, as long as they do', async () => {
    const { id } = await node.person();
    const role = await node.role(['files:write']);
    const member = await node.person();
    await node.give(role.id, member.id);
    const api = await node.apis.create(
      {
        audience: 'https://open.example',
        name: 'Open',
        permissions: [
          { name: 'open:read', sentence: 'See what is open.', everyone: true },
          { name: 'open:write', sentence: 'Write there.' },
        ],
      },
      operator,
    );
    expect((await of(id))?.permissions.texts).toEqual(['open:read']);
    expect((await of(id))?.permissions).toBe((await of((await node.person()).id))?.permissions);
    expect((await of(id))?.sources).toEqual([{ permission: 'open:read', via: 'everyone' }]);
    expect((await of(member.id))?.permissions.texts).toEqual(['files:write', 'open:read']);
    await node.apis.change(api.id, { permissions: [] }, operator);
    expect((await of(id))?.permissions.texts).toEqual([]);
    expect((await of(member.id))?.permissions.texts).toEqual(['files:write']);
  });

  it('name a mail address only when it is verified', async () => {
    const { id, username } = await node.person();
    await node.accounts.change(id, { email: 'other@example.com' }, operator);
    expect((await of(id))?.identifiers).toEqual([id, username]);
    await node.accounts.change(id, { emailVerified: true }, operator);
    expect((await of(id))?.identifiers).toEqual([id, 'other@example.com', username]);
  });
});

describe('the facts of a machine', () => {
  it('are those of its roles, and gone when a client is disabled or a key revoked', async () => {
    const role = await node.role(['jobs:run']);
    const { client } = await node.clients.register({ name: 'Worker', kind: 'machine' }, operator);
    const subject = { kind: 'client', id: client.id } as const;
    await access.assign({ roleId: role.id, subject, organizationId: null }, everything);
    expect((await access.factsOf(subject, null))?.permissions.texts).toEqual(['jobs:run']);
    expect((await access.factsOf(subject, null))?.identifiers).toEqual([client.id]);
    await node.clients.change(client.id, { status: 'disabled' }, operator);
    expect(await access.factsOf(subject, null)).toBeUndefined();
  });

  it('of a key are gone when it is revoked', async () => {
    const { id: accountId } = await node.person();
    const id = newId('key');
    await db('api_keys').insert({
      id,
      root_id: id,
      account_id: accountId,
      name: 'k',
      created_at: new Date(),
    });
    expect((await access.factsOf({ kind: 'api-key', id }, null))?.identifiers).toEqual([id]);
    await postgres.transaction(async (trx) => {
      await trx('api_keys').where({ id }).update({ revoked_at: new Date() });
      await node.changes.bump(trx, 'api-keys', id);
    });
    await node.changes.poll();
    expect(await access.factsOf({ kind: 'api-key', id }, null)).toBeUndefined();
  });

  it('of a client that asks for itself have what it is entitled to', async () => {
    const audience = 'https://orders.example';
    const names = ['orders:read', 'orders:write'];
    const permissions = names.map((name) => ({ name, sentence: 'Orders.' }));
    await node.apis.create({ audience, name: 'Orders', permissions }, operator);
    const register = (entitled: string[]) =>
      node.clients.register(
        { name: 'Shop', kind: 'machine', apis: [{ audience, permissions: entitled }] },
        operator,
      );
    const effective = async (entitled: string[]) => {
      const { client } = await register(entitled);
      return (await access.effectiveOf({ kind: 'client', id: client.id }, null))?.permissions.texts;
    };
    expect(await effective(['orders:read'])).toEqual(['orders:read']);
    expect(await effective(['*'])).toEqual(names);
  });
});

describe('facts in memory', () => {
  it('are the same object as long as nothing changed, also when something else did', async () => {
    const [mine, unrelated] = [await node.role(['files:read']), await node.role(['notes:read'])];
    const [one, two] = [await node.person(), await node.person()];
    await node.give(mine.id, one.id);
    const facts = await of(one.id);
    expect(await of(one.id)).toBe(facts);
    await node.give(unrelated.id, two.id);
    await access.changeRole(unrelated.id, { permissions: ['notes:*'] }, everything);
    await node.accounts.change(one.id, { name: 'Renamed' }, operator);
    expect(await of(one.id)).toBe(facts);
    await access.changeRole(mine.id, { permissions: ['files:*'] }, everything);
    const next = await of(one.id);
    expect(next).not.toBe(facts);
    expect(next?.permissions.texts).toEqual(['files:*']);
  });

  it('ask the database once, and for many subjects together', async () => {
    const role = await node.role(['files:read']);
    const people = await Promise.all(Array.from({ length: 20 }, () => node.person()));
    for (const { id } of people) await node.give(role.id, id);
    let statements = 0;
    const count = () => {
      statements += 1;
    };
    db.on('query', count);
    await Promise.all(people.map(({ id }) => of(id)));
    const first = statements;
    const again = await Promise.all(people.map(({ id }) => of(id)));
    db.off('query', count);
    expect(first).toBeLessThan(12);
    expect(statements).toBe(first);
    // Those who hold the same share it.
    expect(new Set(again.map((facts) => facts?.permissions)).size).toBe(1);
  });

  it('change on another node within a second or two', async () => {
    const role = await node.role(['files:read']);
    const { id } = await node.person();
    const there = () => of(id, null, other.access);
    expect((await there())?.roles).toEqual([]);
    await node.give(role.id, id);
    await expect.poll(async () => (await there())?.roles, { timeout: 3000 }).toEqual([role.name]);
    await access.changeRole(role.id, { permissions: ['files:write'] }, everything);
    await expect
      .poll(async () => (await there())?.permissions.texts, { timeout: 3000 })
      .toEqual(['files:write']);
    await node.accounts.suspend(id, null, operator);
    await expect.poll(there, { timeout: 3000 }).toBeUndefined();
  });

  it('are not used on a node that hears of no changes: the database is asked', async () => {
    const deaf = createAccessNode(postgres);
    await deaf.apis.start();
    deaf.access.start();
    const role = await node.role(['files:read']);
    const { id } = await node.person();
    await node.give(role.id, id);
    const there = () => of(id, null, deaf.access);
    // It never looked at changes, as if its way to them was cut.
    expect((await there())?.permissions.texts).toEqual(['files:read']);
    await access.changeRole(role.id, { permissions: ['files:write'] }, everything);
    expect((await there())?.permissions.texts).toEqual(['files:write']);
    await node.take(role.id, id);
    expect((await there())?.permissions.texts).toEqual([]);
  });

  it('never keep what was read before a change', async () => {
    const role = await node.role(['files:read']);
    const { id } = await node.person();
    for (let turn = 0; turn < 20; turn += 1) {
      const reading = [of(id), delay(turn % 4).then(() => of(id))];
      await node.give(role.id, id);
      expect((await of(id))?.roles).toEqual([role.name]);
      await Promise.all(reading);
      expect((await of(id))?.roles).toEqual([role.name]);
      await node.take(role.id, id);
      expect((await of(id))?.roles).toEqual([]);
    }
  });
});
