// Many callers in one statement: each gets its own answer and nobody else's, whatever happens to the statement.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createBatch } from '../../../src/platform/database/batch.ts';

const refused = (code: string, about: string) => Object.assign(new Error(about), { code });

describe('a batch', () => {
  it('answers a thousand callers in bursts each with its own answer', async () => {
    const batch = createBatch<number, string>({
      inFlight: 2,
      companyMilliseconds: 1,
      async run(inputs) {
        await delay(Math.random() * 4);
        return inputs.map((input) => `answer ${input}`);
      },
    });
    const asked = Array.from({ length: 1_000 }, async (_, number) => {
      await delay(Math.random() * 60);
      return [number, await batch.run(number)] as const;
    });

    for (const [number, answer] of await Promise.all(asked)) expect(answer).toBe(`answer ${number}`);
  });

  it('asks one by one when one of them is at fault: only that one fails, with its own error', async () => {
    const batch = createBatch<number, string>({
      inFlight: 2,
      companyMilliseconds: 1,
      async run(inputs) {
        await delay(Math.random() * 3);
        const bad = inputs.find((input) => input % 7 === 0);
        const code = ['23505', '22021', '55P03', '40P01'][(bad ?? 0) % 4] ?? '';
        if (bad !== undefined) throw refused(code, `at fault: ${inputs.length === 1 ? bad : 'many'}`);
        return inputs.map((input) => `answer ${input}`);
      },
    });
    const numbers = Array.from({ length: 300 }, (_, number) => number);
    const settled = await Promise.allSettled(numbers.map((number) => batch.run(number)));

    for (const [number, one] of settled.entries()) {
      if (number % 7 !== 0) expect(one).toEqual({ status: 'fulfilled', value: `answer ${number}` });
      else expect(one).toMatchObject({ reason: { message: `at fault: ${number}` } });
    }
  });

  it('repeats nothing of which nobody knows whether it was done', async () => {
    const seen = new Map<number, number>();
    const batch = createBatch<number, number>({
      inFlight: 1,
      companyMilliseconds: 1,
      async run(inputs) {
        for (const input of inputs) seen.set(input, (seen.get(input) ?? 0) + 1);
        await delay(1);
        throw refused(inputs.includes(0) ? '57P01' : 'ECONNRESET', 'lost');
      },
    });
    const settled = await Promise.allSettled(Array.from({ length: 50 }, (_, number) => batch.run(number)));

    expect(settled.every(({ status }) => status === 'rejected')).toBe(true);
    expect([...seen.values()].every((times) => times === 1)).toBe(true);
  });

  it('never puts two of one key into one statement', async () => {
    const batch = createBatch<{ key: string; turn: number }, number>({
      inFlight: 2,
      companyMilliseconds: 1,
      keyOf: ({ key }) => key,
      async run(inputs) {
        expect(new Set(inputs.map(({ key }) => key)).size).toBe(inputs.length);
        await delay(1);
        return inputs.map(({ turn }) => turn);
      },
    });
    const turns = Array.from({ length: 120 }, (_, turn) => turn);
    const answers = await Promise.all(turns.map((turn) => batch.run({ key: `key ${turn % 5}`, turn })));

    expect(answers).toEqual(turns);
  });

  it('runs in the context of none of its callers, and each goes on in its own', async () => {
    const storage = new AsyncLocalStorage<number>();
    const contexts = new Set<number | undefined>();
    const batch = createBatch<number, number>({
      inFlight: 1,
      companyMilliseconds: 1,
      async run(inputs) {
        contexts.add(storage.getStore());
        await delay(1);
        return inputs.map((input) => input);
      },
    });
    const own = await Promise.all(
      Array.from({ length: 40 }, (_, number) =>
        storage.run(number, async () => [await batch.run(number), storage.getStore()]),
      ),
    );

    expect(own).toEqual(own.map((_, number) => [number, number]));
    expect([...contexts]).toEqual([undefined]);
  });
});
