// Roles and organizations for tests, made through the server's own faces.
import { asOperator, type SubjectKind } from '../../src/access/access.ts';
import type { Organization } from '../../src/organizations/organizations.ts';
import type { Services } from '../../src/services.ts';
import { operator } from './people.ts';

let count = 0;

/** A role with these permissions, assigned; ends with `takeAway`. */
export async function giveRole(
  services: Services,
  subject: { kind: SubjectKind; id: string },
  permissions: string[],
  organizationId: string | null = null,
): Promise<{ name: string; takeAway(): Promise<void> }> {
  count += 1;
  const acting = asOperator(operator);
  const role = await services.access.createRole({ name: `role-${count}`, permissions }, acting);
  const wanted = { roleId: role.id, subject, organizationId };
  await services.access.assign(wanted, acting);
  return { name: role.name, takeAway: () => services.access.unassign(wanted, acting) };
}

export async function createOrganization(
  services: Services,
  members: readonly { id: string }[] = [],
  name = `Organization ${count + 1}`,
): Promise<Organization> {
  count += 1;
  const organization = await services.organizations.create({ slug: `org-${count}`, name }, operator);
  for (const { id } of members) await services.organizations.addMember(organization.id, id, operator);
  return organization;
}
