import { refreshSession, signInWithDevice } from '#contract/auth.ts'
import { recordExposures } from '#contract/experiments.ts'
import { evaluateFlags } from '#contract/flags.ts'
import { joinLiveEvent, listLiveEvents } from '#contract/live-events.ts'
import { getOwnProfile, getProfile, updateOwnProfile } from '#contract/players.ts'
import type { Route } from '#contract/route.ts'
import { createWalletTransaction, getWallet } from '#contract/wallet.ts'
import type { Values } from './inputs.ts'

/** What players do at a moment, a second. */
export type Moment = {
  readonly name: string
  readonly players: number
  /** Profiles read against an evening; what is more than 1 goes to the crowd's. */
  readonly readsFactor: number
  /** Sign-ins beside those of an evening. */
  readonly arrivals: number
  /** Joins of the event. */
  readonly joins: number
}

/** What a request costs core and Postgres, microseconds of CPU. */
export type Work = { readonly coreUs: number; readonly postgresUs: number }

/** How often a route is asked, and what it costs where it is asked of a core. */
export type RouteLoad = {
  readonly route: Route
  readonly perSecond: number
  readonly work: Work
  /** Events that each one leaves in the outbox. */
  readonly events: number
}

/** The quiet hour, the mean of the day and its evening, for so many players in the evening. */
export const momentsOfDay = (players: number, { troughShare }: Values): readonly [Moment, Moment, Moment] => {
  const usual = (name: string, share: number): Moment => ({
    ...{ name, players: players * share, readsFactor: 1, arrivals: 0, joins: 0 },
  })
  return [usual('trough', troughShare), usual('mean', (1 + troughShare) / 2), usual('peak', 1)]
}

/** The n-th minute of an event that starts at the peak of the evening; the first is 1. Rates are the means of that minute. */
export const momentOfEvent = (players: number, minute: number, values: Values): Moment => {
  const { eventPlayersShare, eventArrivalSeconds, eventJoinShare, eventJoinSeconds, eventReadsFactor } = values
  const from = (minute - 1) * 60
  const arrived = portion(from, eventArrivalSeconds)
  const arrivals = portion(from + 60, eventArrivalSeconds) - arrived
  const joins = portion(from + 60, eventJoinSeconds) - portion(from, eventJoinSeconds)
  const come = players * eventPlayersShare
  return {
    name: `event, minute ${minute}`,
    players: players + come * (arrived + arrivals / 2),
    readsFactor: 1 + (eventReadsFactor - 1) * (1 - arrived),
    arrivals: (come * arrivals) / 60,
    joins: ((players + come) * eventJoinShare * joins) / 60,
  }
}

/** How much has come after so long, where what is left comes with a time constant. */
const portion = (seconds: number, constantSeconds: number) => 1 - Math.exp(-seconds / constantSeconds)

/** What is asked of each route at a moment. Ways of signing in other than by device are taken for that one. */
export const routeLoadsOf = (moment: Moment, values: Values): readonly RouteLoad[] => {
  const { players, arrivals, joins } = moment
  const each = (perMinute: number) => (players * perMinute) / 60
  const starts = each(values.signInsPerMinute) + arrivals
  const read = { coreUs: values.coreReadUs, postgresUs: values.postgresReadUs }
  const write = { coreUs: values.coreWriteUs, postgresUs: values.postgresWriteUs }
  const change = { coreUs: values.coreChangeUs, postgresUs: values.postgresChangeUs }
  const signIn = { coreUs: values.coreSignInUs, postgresUs: values.postgresSignInUs }
  const refresh = { coreUs: values.coreRefreshUs, postgresUs: values.postgresRefreshUs }
  const load = (route: Route, perSecond: number, work: Work, events = 0): RouteLoad => ({
    ...{ route, perSecond, work, events },
  })
  return [
    load(getProfile, each(values.readsPerMinute) * moment.readsFactor, read),
    load(evaluateFlags, each(values.flagsPerMinute) + arrivals, none),
    load(listLiveEvents, each(values.calendarsPerMinute) + arrivals, none),
    load(getWallet, each(values.walletReadsPerMinute), read),
    load(getOwnProfile, starts, read),
    load(signInWithDevice, starts, signIn),
    load(refreshSession, each(values.refreshesPerMinute), refresh),
    load(createWalletTransaction, each(values.grantsPerMinute), write, 1),
    load(updateOwnProfile, each(values.changesPerMinute), change, 1),
    load(recordExposures, starts, write),
    load(joinLiveEvent, joins, write, 1),
  ]
}

const none: Work = { coreUs: 0, postgresUs: 0 }
