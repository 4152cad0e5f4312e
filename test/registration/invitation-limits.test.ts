// How many invitations may be sent: to one address, whoever asks, and by one organization, to whomever.
import { expect, it } from 'vitest';
import { useGatehouse } from '../support/gatehouse.ts';
import { operator } from '../support/people.ts';

const gatehouse = useGatehouse({ settings: { REGISTRATION: 'invitation' } });
let count = 0;

async function organization(): Promise<string> {
  count += 1;
  const name = `Organization ${count}`;
  return (await gatehouse.services.organizations.create({ name, slug: `o-${count}` }, operator)).id;
}

const invite = (id: string, email: string) =>
  gatehouse.services.registration.invitations.create(id, { email }, operator);
const limited = { code: 'invitations_limited', status: 429 };

it('one address gets five a day of all organizations together, sent again or anew, also at once', async () => {
  const { invitations } = gatehouse.services.registration;
  const email = 'often@example.com';
  const [one, other] = [await organization(), await organization()];
  const first = await invite(one, email);
  await invitations.resend(one, first.id, operator);
  const more = await Promise.allSettled([1, 2, 3, 4, 5, 6].map(() => invite(other, email.toUpperCase())));
  expect(more.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  await expect(invitations.resend(one, first.id, operator)).rejects.toMatchObject({
    ...limited,
    details: { retryAfterSeconds: expect.toSatisfy((wait: number) => wait > 86_000 && wait <= 86_400) },
  });
  await invite(one, 'somebody-else@example.com');

  const { db } = gatehouse.database;
  await db.raw(`update organization_invitations set created_at = created_at - interval '1 day 1 minute',
    sent_at = sent_at - interval '1 day 1 minute'`);
  await invitations.resend(one, first.id, operator);
  const [row] = await db('organization_invitations').where({ id: first.id }).select('sent_count');
  expect(row.sent_count).toBe(1);
});

it('one organization sends five hundred a day, and others go on', async () => {
  const [busy, quiet] = [await organization(), await organization()];
  await invite(busy, 'first@example.com');
  await gatehouse.database
    .db('organization_invitations')
    .where({ organization_id: busy })
    .update({ sent_count: 499 });
  await gatehouse.database
    .db('organization_invitations')
    .where({ organization_id: busy })
    .update({ normalized: 'x' });
  await invite(busy, 'second@example.com');
  await expect(invite(busy, 'third@example.com')).rejects.toMatchObject(limited);
  await invite(quiet, 'third@example.com');
});
