// The published interop scenario of the AuthZEN working group: a to-do list of five people, with nothing but plain roles.
// interop-todo-decisions.json is its file of expected decisions, unchanged (github.com/openid/authzen, MIT licence).
import { beforeAll, describe, expect, it } from 'vitest';
import published from './interop-todo-decisions.json' with { type: 'json' };
import { acting, ask, operator, useDecisions } from './world.ts';

const world = useDecisions();

/** `sub` of the scenario's own sign-in; here they are user names. */
const people = {
  CiRmZDA2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: {
    email: 'rick@the-citadel.com',
    roles: ['todo_admin', 'evil_genius'],
  },
  CiRmZDE2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: {
    email: 'morty@the-citadel.com',
    roles: ['editor'],
  },
  CiRmZDI2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: {
    email: 'summer@the-smiths.com',
    roles: ['editor'],
  },
  CiRmZDM2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: {
    email: 'beth@the-smiths.com',
    roles: ['todo_viewer'],
  },
  CiRmZDQ2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs: {
    email: 'jerry@the-smiths.com',
    roles: ['todo_viewer'],
  },
};

/** The whole policy. */
const roles = {
  todo_viewer: { parents: [], permissions: ['user:can_read_user', 'todo:can_read_todos'] },
  editor: {
    parents: ['todo_viewer'],
    permissions: ['todo:can_create_todo', 'todo:can_update_todo:@ownerID', 'todo:can_delete_todo:@ownerID'],
  },
  todo_admin: { parents: ['editor'], permissions: ['todo:can_delete_todo'] },
  evil_genius: { parents: ['editor'], permissions: ['todo:can_update_todo'] },
};

beforeAll(async () => {
  const ids = new Map<string, string>();
  for (const [name, { parents, permissions }] of Object.entries(roles)) {
    const inherited = parents.map((parent) => ids.get(parent) ?? '');
    const role = await world.access.createRole({ name, permissions, parents: inherited }, acting);
    ids.set(name, role.id);
  }
  for (const [username, { email, roles: held }] of Object.entries(people)) {
    const { id } = await world.accounts.create({ username, email, emailVerified: true }, operator);
    for (const name of held) {
      const subject = { kind: 'account', id } as const;
      await world.access.assign({ roleId: ids.get(name) ?? '', subject, organizationId: null }, acting);
    }
  }
});

describe('the interop to-do scenario', () => {
  it.each(published.evaluation.map((one) => [JSON.stringify(one.request), one] as const))(
    'decides %s as published',
    async (_request, { request, expected }) => {
      const { status, body } = await ask(world, '/access/v1/evaluation', request);
      expect([status, body.decision]).toEqual([200, expected]);
    },
  );

  it.each(published.evaluations.map((one) => [JSON.stringify(one.request), one] as const))(
    'decides the several of %s as published',
    async (_request, { request, expected }) => {
      const { status, body } = await ask(world, '/access/v1/evaluations', request);
      expect(status).toBe(200);
      const decisions = body.evaluations.map(({ decision }: { decision: boolean }) => ({ decision }));
      expect(decisions).toEqual(expected);
      expect(body).not.toHaveProperty('decision');
    },
  );

  it('takes an empty resource at the top, as its payloads have it, when each evaluation has its own', async () => {
    const [first] = published.evaluations;
    const { body } = await ask(world, '/access/v1/evaluations', {
      ...first?.request,
      resource: {},
      context: {},
    });
    expect(body.evaluations).toHaveLength(2);
  });

  it('finds who may update whose to-do, once to-dos are registered', async () => {
    for (const [at, { email }] of Object.values(people).entries()) {
      const name = { organizationId: null, type: 'todo', id: `todo-${at}` };
      await world.resources.put(name, { properties: { ownerID: email } }, operator);
    }
    const found = async (id: string) => {
      const question = {
        subject: { type: 'user', id },
        action: { name: 'can_update_todo' },
        resource: { type: 'todo' },
      };
      const { body } = await ask(world, '/access/v1/search/resource', question);
      return body.results.map((one: { id: string }) => one.id);
    };
    expect(await found('rick@the-citadel.com')).toEqual(['todo-0', 'todo-1', 'todo-2', 'todo-3', 'todo-4']);
    expect(await found('morty@the-citadel.com')).toEqual(['todo-1']);
    expect(await found('beth@the-smiths.com')).toEqual([]);
    const { body } = await ask(world, '/access/v1/search/action', {
      subject: { type: 'user', id: 'summer@the-smiths.com' },
      resource: { type: 'todo', id: 'todo-2' },
    });
    expect(body.results).toEqual([
      { name: 'can_create_todo' },
      { name: 'can_delete_todo' },
      { name: 'can_read_todos' },
      { name: 'can_update_todo' },
    ]);
  });
});
