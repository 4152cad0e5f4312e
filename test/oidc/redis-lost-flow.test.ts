// Redis is killed, or falls silent, in the middle of a sign-in: at worst the person starts again; nobody sees a server error.
import { afterEach, describe, expect, it } from 'vitest';
import { relyingParty } from '../flows/relying-party.ts';
import { createBrowser, type Shown } from '../support/browser.ts';
import { useCluster } from '../support/cluster.ts';
import { createPerson, password, signInAt } from '../support/people.ts';
import { untilUp, useRedis } from '../support/redis.ts';
import { needs } from '../support/tools.ts';

describe.skipIf(needs('redis-server'))('a Redis that is lost in the middle of a sign-in', () => {
  const server = useRedis();
  const losses: Record<string, { lose: () => Promise<void> | void; mend: () => Promise<void> | void }> = {
    'is killed': { lose: server.stop, mend: server.start },
    'is killed and comes back empty at once': {
      lose: async () => {
        await server.stop();
        await server.start();
      },
      mend: () => {},
    },
    'falls silent': { lose: server.pause, mend: server.resume },
  };
  const lost: { mend?: () => Promise<void> | void } = {};
  afterEach(async () => {
    await lost.mend?.();
    delete lost.mend;
    await untilUp(server.redis);
  });

  // Servers of its own for each of them: once Redis was lost, PostgreSQL is asked first for the next hour. Killed in
  // every place; the others in one each.
  const places = ['the sign-in page', 'the consent page', 'the code'];
  const isTried = (loss: number, place: number) => loss === 0 || loss === place;
  const cases = Object.entries(losses).flatMap(([name, loss], index) =>
    places.filter((_, place) => isTried(index, place)).map((at) => ({ name, ...loss, at })),
  );

  describe.each(cases)('that $name', ({ lose, mend, at }) => {
    const cluster = useCluster({ size: 2, settings: { REDIS_URL: server.url } });
    const loseIt = async () => {
      lost.mend = mend;
      await lose();
    };

    it(`at ${at}: no server error, and a way on`, async () => {
      const app = await relyingParty(cluster);
      const person = await createPerson(cluster.services);
      const begun = await app.begin();
      const browser = createBrowser(cluster.issuer);
      const shown: Shown[] = [await browser.open(begun.url)];
      const last = () => shown[shown.length - 1] as Shown;
      if (at === 'the sign-in page') await loseIt();
      shown.push(await browser.submit(last(), { identifier: person.email ?? '', password }, '/login'));
      if (at === 'the consent page') await loseIt();
      if (last().forms.some((form) => form.action.endsWith('/consent')))
        shown.push(await browser.submit(last(), {}, '/consent'));
      if (at === 'the code') await loseIt();
      for (const page of shown) expect(page.status).toBeLessThan(500);
      if (last().url.startsWith('https://app.example.com')) {
        const outcome = await app.finish(last().url, begun).then(
          () => 'tokens',
          (error: { error?: string }) => error.error,
        );
        expect(['tokens', 'invalid_grant']).toContain(outcome);
      }

      // And at once, on what is left, from the beginning.
      const again = await app.begin();
      const { landed } = await signInAt(again.url, person);
      expect((await app.finish(landed.url, again)).access_token).toBeTruthy();
    });
  });
});
