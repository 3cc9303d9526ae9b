// Parameters of the score. Times in seconds; defaults and ranges are in core/config/sidecar.ts, what each does in
// practice in docs/scoring.md.

export interface StandingParameters {
  /** How much of a delivery a slowed-down message is worth less, 0..1: 1 = as bad as being turned away. */
  readonly throttle_weight: number
  /** How certain a shortfall must be before it counts: quantile of the standard normal, 0..5. */
  readonly confidence: number
  /** Bounds of the prior that every source is as good as the pool's best, in observations. */
  readonly prior: { readonly min: number; readonly max: number }
  /** Exponent from standing to weight: 1 = in proportion, 3 = half the acceptance gives an eighth of the weight. */
  readonly sharpness: number
}

export interface ListingParameters {
  /** Probability that the next message meets a listing that began just now. */
  readonly onset: number
  /** Part of the messages a listed source has turned away. */
  readonly refused_listed: number
  /** Part of the messages a source in good standing has turned away, at least; in bad weather more is expected. */
  readonly refused_clear: number
  /** A suspicion halves in this time when nothing is heard. */
  readonly forgive_s: number
}

export interface MotionParameters {
  /** A rising weight doubles at most once in this time. */
  readonly double_s: number
  /** A falling weight halves at most once in this time. */
  readonly halve_s: number
  /** Relative difference below which a weight is left alone. */
  readonly hysteresis: number
  /** Part of its base share that every source keeps, so that a recovery is noticed, 0..1. */
  readonly explore: number
}

export interface ScoreParameters extends StandingParameters, MotionParameters {
  readonly listing: ListingParameters
}
