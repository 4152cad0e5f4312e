// The page of one's organizations in its states.
import { longName, type Sample } from './sample.ts';

const path = '/account/organizations';
const membership = {
  icon: 'people',
  title: 'Harbour Office',
  lines: ['Your roles: manager', 'Teams: Cranes, Night shift', 'Member since 1 November 2026'],
  actions: [{ label: 'Leave', hidden: 'Harbour Office', href: `${path}/org_1/leave` }],
};
const closed = {
  ...membership,
  title: longName,
  badge: { kind: 'warn', text: 'Closed for now' },
};
const answer = (label: string) => ({
  label,
  hidden: longName,
  action: `${path}/invitations`,
  fields: { invitation: 'inv_1', answer: label },
});
const invitation = {
  icon: 'mail',
  title: longName,
  lines: ['Team: Cranes', 'Works until 1 December 2026'],
  actions: [answer('Accept'), answer('Decline')],
};

const sample = (name: string, view: string, titleKey: string, model: object): Sample => ({
  name: `organizations-${name}`,
  view: `self-service/organizations/${view}`,
  titleKey,
  nav: 'organizations',
  model: { ...model },
});

const list = { error: null, invitations: [], memberships: [], first: null, next: null };
const leave = { name: 'Harbour Office', isLast: false, action: `${path}/org_1/leave`, cancel: path };

export const organizationSamples: readonly Sample[] = [
  sample('none', 'list', 'organizations.title', list),
  sample('list', 'list', 'organizations.title', {
    ...list,
    invitations: [invitation],
    memberships: [membership, closed],
    first: path,
    next: `${path}?cursor=x`,
  }),
  sample('over', 'list', 'organizations.title', { ...list, error: 'It does not work any more.' }),
  sample('leave', 'leave', 'organizations.leave.title', leave),
  sample('leave-last', 'leave', 'organizations.leave.title', { ...leave, isLast: true }),
];
