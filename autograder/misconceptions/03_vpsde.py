"""Known mistakes of notebook 03."""

from autograder.misconceptions.shared import COPIED_SAYS, GENERATOR_COPIED

# ----------------------------------------------------------------------------------------------- the forward process

answer(
    "vpsde.alpha",
    "no-half",
    swap=[("-0.5 * integral", "-integral")],
    says="""Your α is the square of the right one: the signal loses energy at the rate β, but its amplitude does not. Look at
    the factor before x dt in the forward SDE.""",
    source="plausible",
)
answer(
    "vpsde.alpha",
    "changes-t",
    swap=[("    integral = self.beta_min * t + 0.5 * t**2", "    first = self.beta_min * t\n    t *= t\n    integral = first + 0.5 * t")],
    says="""α is right, but the times that it was asked about are other numbers afterwards: you changed the caller's t, and whoever called still
    needs it. Which line of yours writes into what it was handed?""",
    source="a fresh reader's answer: t *= t",
)
answer(
    "vpsde.alpha",
    "half-twice",
    swap=[("0.5 * t**2 * (self.beta_max - self.beta_min)", "0.25 * t**2 * (self.beta_max - self.beta_min)")],
    says="""The part of the exponent that grows with t² is half of what it should be. Song et al. write the exponent with the
    one half already multiplied in; mixing both ways of writing it counts it twice.""",
    source="Song et al. 2021, eq. 33",
)
answer(
    "vpsde.alpha",
    "rate-times-time",
    swap=[("self.beta_min * t + 0.5 * t**2 * (self.beta_max - self.beta_min)", "self.beta(t) * t")],
    says="""Your exponent is the noise rate at t, as if it had been that high ever since 0. β grows along the way: what is the
    area under it?""",
    source="plausible",
)
answer(
    "vpsde.alpha",
    "grows",
    swap=[("-0.5 * integral", "0.5 * integral")],
    says="""Your α is above 1 and grows with t. Noising takes the signal away: check the sign in the exponent.""",
    source="plausible",
)
answer(
    "vpsde.alpha",
    "ddpm-alpha",
    cell='''
@attach(VPSDE)
def alpha(self, t):
    return 1 - self.beta(t)
''',
    says="""This is the α of one DDPM step, where β is a small number per step. Here β is a rate, far above 1, and α is what is
    left of the signal after all the time from 0 to t.""",
    source="Ho et al. 2020 against Song et al. 2021: one letter for two things",
)
answer(
    "vpsde.alpha",
    "rates-fixed",
    swap=[("self.beta_min * t + 0.5 * t**2 * (self.beta_max - self.beta_min)", "0.1 * t + 0.5 * t**2 * (20.0 - 0.1)")],
    says="""Your α is the same whatever rates the process was made with: it always takes the default ones. Others may choose other rates; where
    does the class keep those it was given?""",
    source="plausible: the defaults written into the formula",
)

answer(
    "vpsde.sigma",
    "variance",
    swap=[("torch.sqrt(-torch.expm1(-integral))", "-torch.expm1(-integral)")],
    says="""Your numbers are the squares of the right ones: a variance, where the standard deviation is asked for. Handouts and
    papers often name the variance; it helps to write at each formula which of the two it is.""",
    source="handout P's erratum: the variance written as coefficient of the noise",
)
answer(
    "vpsde.sigma",
    "one-minus-alpha",
    swap=[("torch.sqrt(-torch.expm1(-integral))", "torch.sqrt(1 - torch.exp(-0.5 * integral))")],
    says="""The variances of signal and noise do not add up to 1 with your σ. Which power of α is the signal's share of the
    variance?""",
    source="plausible",
)
answer(
    "vpsde.sigma",
    "complement",
    swap=[("torch.sqrt(-torch.expm1(-integral))", "1 - torch.exp(-0.5 * integral)")],
    says="""Your α and σ add up to 1. For independent signal and noise it is not the standard deviations that add up, but what?""",
    source="plausible",
)
answer(
    "vpsde.sigma",
    "cancels",
    swap=[("torch.sqrt(-torch.expm1(-integral))", "torch.sqrt(1 - torch.exp(-integral))")],
    says="""The formula is right, but for tiny t float32 subtracts two numbers that agree in almost all of their digits, and little
    of the result is left. The score at small t is divided by this σ. PyTorch has a function for just this difference.""",
    source="plausible",
)
answer(
    "vpsde.sigma",
    "cancels-alpha",
    swap=[("torch.sqrt(-torch.expm1(-integral))", "torch.sqrt(1 - self.alpha(t) ** 2)")],
    says="""The formula is right, but for tiny t float32 subtracts two numbers that agree in almost all of their digits, and little
    of the result is left. The score at small t is divided by this σ. PyTorch has a function for just this difference.""",
    source="plausible",
)
answer(
    "vpsde.sigma",
    "variance-by-subtraction",
    swap=[("torch.sqrt(-torch.expm1(-integral))", "1 - self.alpha(t) ** 2")],
    says="""Your numbers are the squares of the right ones, a variance where the standard deviation is asked for; and for tiny t
    float32 loses most digits of such a difference.""",
    source="plausible",
)
answer(
    "vpsde.sigma",
    "exploding",
    swap=[("torch.sqrt(-torch.expm1(-integral))", "torch.sqrt(integral)")],
    says="""Your σ keeps growing, beyond 1: this is the noise that would pile up if nothing pulled x back to the origin. The drift
    does pull, and the variance has to stay preserved.""",
    source="Song et al. 2021: the variance-exploding SDE",
)

answer(
    "vpsde.coefficients",
    "drift-outwards",
    swap=[("-0.5 * self.beta(t)[:, None] * x", "0.5 * self.beta(t)[:, None] * x")],
    says="""Your drift points away from the origin. The forward process makes the signal smaller.""",
    source="plausible",
)
answer(
    "vpsde.coefficients",
    "drift-no-half",
    swap=[("-0.5 * self.beta(t)[:, None] * x", "-self.beta(t)[:, None] * x")],
    says="""Your drift is twice as strong as in the forward SDE. With this one the variance would shrink: check the factor.""",
    source="plausible",
)
answer(
    "vpsde.coefficients",
    "drift-broadcast",
    swap=[("self.beta(t)[:, None] * x", "self.beta(t) * x")],
    says="""With as many rows as dimensions the columns, not the rows, get their β, and otherwise the shapes do not fit. β(t) has
    shape (B,), x has (B, d): how does PyTorch line them up?""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "vpsde.coefficients",
    "diffusion-squared",
    swap=[("torch.sqrt(self.beta(t))", "self.beta(t)")],
    says="""Your diffusion is the square of the right one. g is what stands before dw; the variance it adds in a time dt is g² dt.""",
    source="plausible",
)
answer(
    "vpsde.coefficients",
    "diffusion-is-sigma",
    swap=[("torch.sqrt(self.beta(t))", "self.sigma(t)")],
    says="""Your diffusion is σ(t), the noise that has piled up since time 0. g(t) is the rate at which noise comes in at time t.""",
    source="plausible",
)
answer(
    "vpsde.coefficients",
    "first-time-for-all",
    swap=[("self.beta(t)[:, None] * x", "self.beta(t)[0] * x")],
    says="""All rows drift as if it were the same time for all of them, that of the first row. In training every row of a batch has a time of its own.""",
    source="plausible",
)
answer(
    "vpsde.coefficients",
    "mean-time",
    swap=[("self.beta(t)[:, None] * x", "self.beta(t).mean() * x")],
    says="""All rows drift with one and the same rate, a mean over the batch: what happens to a row depends on which others are beside it. Each row has a
    time of its own.""",
    source="plausible: a way round a shape error",
)
answer(
    "vpsde.coefficients",
    "rates-fixed",
    cell='''
@attach(VPSDE)
def drift(self, x, t):
    return -0.5 * (0.1 + 19.9 * t)[:, None] * x


@attach(VPSDE)
def diffusion(self, t):
    return torch.sqrt(0.1 + 19.9 * t)
''',
    says="""Your drift and diffusion are the same whatever rates the process was made with: they always take the default ones. The class has a
    method that knows its own.""",
    source="plausible: the defaults written into the formula",
)

answer(
    "vpsde.perturb",
    "variance-for-sd",
    swap=[("self.sigma(t)[:, None] * eps", "self.sigma(t)[:, None] ** 2 * eps")],
    says="""Too little noise arrives in x_t: it is scaled by a variance. ε has standard deviation 1; which factor gives σ ε its
    standard deviation?""",
    source="handout P's erratum",
)
answer(
    "vpsde.perturb",
    "mirrored-halves",
    swap=[("    eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype)\n",
           "    half = torch.randn(len(x0) // 2, *x0.shape[1:], generator=generator)\n"
           "    eps = torch.cat([half, -half, torch.randn(len(x0) % 2, *x0.shape[1:], generator=generator)])\n")],
    says="""The noise of some rows is that of others turned round. Each row looks normal, but the sum of a call's noise is 0 or nearly so: the rows are not
    independent of each other.""",
    source="antithetic draws, a way to reduce the variance of an average",
)
answer(
    "vpsde.perturb",
    "writes-into-x0",
    swap=[("x_t = self.alpha(t)[:, None] * x0 + self.sigma(t)[:, None] * eps",
           "x0 *= self.alpha(t)[:, None]\n    x_t = x0 + self.sigma(t)[:, None] * eps")],
    says="""x_t is right, but the data that you were given have lost part of their signal: x0 itself was changed, and in training it would fade
    a little more each time it is drawn. Which line of yours writes into what it was handed?""",
    source="a fresh reader's answer: in-place operators on an argument",
)
answer(
    "vpsde.perturb",
    "uniform-noise",
    swap=[("torch.randn(x0.shape, generator=generator, dtype=x0.dtype)", "torch.rand(x0.shape, generator=generator)")],
    says="""All your noise lies between 0 and 1: its mean is not 0, and it is not normal. Look at which of PyTorch's random
    functions draws what.""",
    source="plausible",
)
answer(
    "vpsde.perturb",
    "shared-noise",
    swap=[("torch.randn(x0.shape, generator=generator, dtype=x0.dtype)",
           "torch.randn(x0.shape[1], generator=generator).expand(x0.shape)")],
    says="""All rows of a batch have got the same ε. Each mean is still right, so a training run would not complain, but
    every row needs noise of its own.""",
    source="plausible",
)
answer(
    "vpsde.perturb",
    "noise-along-diagonal",
    swap=[("torch.randn(x0.shape, generator=generator, dtype=x0.dtype)",
           "torch.randn(len(x0), 1, generator=generator).expand(x0.shape)")],
    says="""The coordinates of a point all got the same number as noise, so points move along the diagonal only. ε has as many
    independent coordinates as x₀.""",
    source="plausible",
)
answer(
    "vpsde.perturb",
    "other-noise-returned",
    swap=[("return x_t, eps", "return x_t, torch.randn(x0.shape, generator=generator)")],
    says="""The ε you return is fresh noise, not the one inside x_t. A network could learn nothing from the pair.""",
    source="plausible",
)
answer(
    "vpsde.perturb",
    "first-time-for-all",
    swap=[("self.alpha(t)[:, None] * x0 + self.sigma(t)[:, None] * eps", "self.alpha(t[0]) * x0 + self.sigma(t[0]) * eps")],
    says="""All rows were noised as if they had the time of the first row. t holds one time for each row.""",
    source="plausible",
)
answer(
    "vpsde.perturb",
    "broadcast",
    swap=[("self.alpha(t)[:, None] * x0 + self.sigma(t)[:, None] * eps", "self.alpha(t) * x0 + self.sigma(t) * eps")],
    says="""With as many rows as dimensions, α and σ went to the columns instead of the rows; with other sizes the shapes do not fit.
    They have shape (B,), x₀ has (B, d).""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "vpsde.perturb",
    "signal-kept",
    swap=[("self.alpha(t)[:, None] * x0 +", "x0 +")],
    says="""The signal arrives in x_t undiminished, so the variance grows beyond 1. In this process the data fade while noise comes in.""",
    source="Song et al. 2021: the variance-exploding SDE",
)
answer(
    "vpsde.perturb",
    "scaled-noise-returned",
    swap=[("return x_t, eps", "return x_t, self.sigma(t)[:, None] * eps")],
    says="""x_t is right, but the ε you return has already been scaled. Return the standard normal one.""",
    source="plausible",
)

# ------------------------------------------------------------------------------------------------------- the samplers

answer(
    "vpsde.sample_ode",
    "grid-cut-at-steps",
    swap=[("pairwise(ts)", "pairwise(ts[: steps + 1])")],
    says="""A grid of times was given, and your sampler did only the first of its intervals: it stopped when `steps` were done. What does `steps`
    say when ts is given?""",
    source="a fresh reader's answer",
)
answer(
    "vpsde.sample_ode",
    "changes-x_T",
    swap=[("path = [x]", "path = [x.clone()]"), ("x = x + (t_next - t) * slope", "x += (t_next - t) * slope"),
          ("path.append(x)", "path.append(x.clone())")],
    says="""The trajectories are right, but the points x_T that they began at have moved along: your sampler writes into the tensor that it was
    given, and whoever called it would start the next run from the end of this one.""",
    source="a fresh reader's answer: x += ... on the caller's x_T",
)
answer(
    "vpsde.sample_ode",
    "no-half",
    swap=[("- 0.5 * self.diffusion(times)[:, None] ** 2", "- self.diffusion(times)[:, None] ** 2")],
    says="""The score pulls your points in too strongly: that is its share in the reverse SDE, where noise pushes back in every step.
    Here nothing pushes back. Compare the two formulas term by term.""",
    source="handout H: its \"ODE\" update is the reverse SDE",
)
answer(
    "vpsde.sample_ode",
    "dt-sign",
    swap=[("(t_next - t) * slope", "(t - t_next) * slope")],
    says="""Your steps go forward in time although the grid goes backward: the points run away from the data. Which sign does dt have
    when t falls?""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "last-interval-skipped",
    swap=[("pairwise(ts)", "pairwise(ts[:-1])")],
    says="""One point of the trajectories is missing: with steps + 1 times there are `steps` intervals, and the last one, which
    arrives at the data, was left out.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "score-sign",
    swap=[("- 0.5 * self.diffusion(times)[:, None] ** 2", "+ 0.5 * self.diffusion(times)[:, None] ** 2")],
    says="""The score pushes your points away from the data. Follow one step with the signs: dt is negative, so what does the minus
    before g² do?""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "drift-sign",
    swap=[("slope = self.drift(x, times) -", "slope = -self.drift(x, times) -")],
    says="""The part of the slope that does not depend on the network has the wrong sign: dt is negative already, so the drift need
    not be turned round by hand.""",
    source="handout H writes the reverse update with -f and a positive Δt",
)
answer(
    "vpsde.sample_ode",
    "no-drift",
    swap=[("slope = self.drift(x, times) -", "slope = -")],
    says="""Your slope has only the score's part: the drift is missing, so with a score of 0 the points would stand still.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "time-after",
    swap=[("times = t.expand(len(x))", "times = t_next.expand(len(x))")],
    says="""β and the network see the time at the end of the step. Euler's method takes the slope where the step begins.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "g-not-squared",
    swap=[("self.diffusion(times)[:, None] ** 2", "self.diffusion(times)[:, None]")],
    says="""The score's part has the wrong size, most where β is large: look at the power of g.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "end-points-only",
    swap=[("return torch.stack(path)", "return x")],
    says="""You return the end points only. The whole trajectory is asked for, with the start first: a shape of (steps + 1, n, d).""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "start-missing",
    swap=[("path = [x]", "path = []")],
    says="""Your trajectories have one point too few: the start belongs to them too.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "uniform-start",
    swap=[("torch.randn(n, dim, generator=generator)", "torch.rand(n, dim, generator=generator)")],
    says="""Given a start, your steps are right, but your own start lies in the square from 0 to 1. Which distribution do the data
    have at t = 1?""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "equal-steps",
    swap=[("(t_next - t) * slope", "(ts[-1] - ts[0]) / (len(ts) - 1) * slope")],
    says="""Your steps are all equally long, but the grid need not be even: each step is as long as its own interval.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "overwrites-itself",
    swap=[("x = torch.randn(n, dim, generator=generator) if x_T is None else x_T",
           "x = torch.randn(n, dim, generator=generator) if x_T is None else x_T.clone()"),
          ("x = x + (t_next - t) * slope", "x += (t_next - t) * slope")],
    says="""All points of a trajectory are the same, its end: the list holds one tensor many times, and each step changed it in
    place.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "noise-added",
    swap=[("x = x + (t_next - t) * slope",
           "x = x + (t_next - t) * slope + self.diffusion(times)[:, None] * (t - t_next) ** 0.5 * torch.randn(x.shape)")],
    says="""Two runs from the same start end in different places: noise is added on the way. The probability-flow ODE is
    deterministic.""",
    source="handout H: its \"ODE\" update is the reverse SDE",
)
answer(
    "vpsde.sample_ode",
    "network-at-the-time-after",
    swap=[("self.network(x, times)", "self.network(x, t_next.expand(len(x)))")],
    says="""Drift and diffusion see the beginning of the step, but the network is asked about the time at its end. Point and time belong together: x is still
    where the step begins.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "always-in-the-plane",
    swap=[("torch.randn(n, dim, generator=generator)", "torch.randn(n, 2, generator=generator)")],
    says="""Your points always start in the plane. One of the arguments says in how many dimensions they should.""",
    source="plausible: the example's number written into the code",
)
answer(
    "vpsde.sample_ode",
    "points-clamped",
    swap=[("        path.append(x)\n", "        x = x.clamp(-3, 3)\n        path.append(x)\n")],
    says="""Your points are held inside a box while they move. The equation has no walls: where a point runs away, something else is wrong, and a
    box only hides it.""",
    source="plausible: a repair against diverging trajectories",
)

answer(
    "vpsde.sample_sde",
    "dt-for-sqrt-dt",
    swap=[("torch.sqrt(t - t_next) * noise", "(t - t_next) * noise")],
    says="""The noise of a step is too weak: its variance is dt² g². A Brownian motion's variance grows in proportion to the time.""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "no-dt-in-noise",
    swap=[("g * torch.sqrt(t - t_next) * noise", "g * noise")],
    says="""The noise of a step does not depend on how long the step is. How far does a Brownian motion get in a time dt?""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "noise-without-g",
    swap=[("+ g * torch.sqrt(t - t_next) * noise", "+ torch.sqrt(t - t_next) * noise")],
    says="""The noise does not depend on β: the factor in front of dw is missing.""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "noise-with-g-squared",
    swap=[("+ g * torch.sqrt(t - t_next) * noise", "+ g**2 * torch.sqrt(t - t_next) * noise")],
    says="""The noise has the wrong size, most where β is large: the score's part has g², but what stands before dw?""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "half-score",
    swap=[("self.drift(x, times) - g**2 *", "self.drift(x, times) - 0.5 * g**2 *")],
    says="""The score pulls with half the strength that the noise needs: this is the slope of the probability-flow ODE with noise on
    top, and it spreads too widely.""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "shared-noise",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.randn(1, x.shape[1], generator=generator)")],
    says="""All trajectories of a step are shaken by the same noise, so from one point they never part. Each row needs its own.""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "same-noise-each-step",
    swap=[("    path = [x]\n", "    path = [x]\n    noise = torch.randn(x.shape, generator=generator)\n"),
          ("        noise = torch.randn(x.shape, generator=generator)\n        reverse_drift", "        reverse_drift")],
    says="""A trajectory gets the same kick in every step, so its kicks add up instead of averaging out. When is the noise drawn?""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "no-noise-at-the-end",
    swap=[("torch.sqrt(t - t_next) * noise", "torch.sqrt(t - t_next) * noise * (t_next > ts[-1])")],
    says="""Your last step has no noise. That is the habit of DDPM, and a reasonable one, but here the task asks for noise in
    every step, as in the equation.""",
    source="Ho et al. 2020, Algorithm 2",
)
answer(
    "vpsde.sample_sde",
    "uniform-noise",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.rand(x.shape, generator=generator)")],
    says="""Your noise lies between 0 and 1: it pushes to one side on average. Brownian steps are normal with mean 0.""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "score-sign",
    swap=[("self.drift(x, times) - g**2 *", "self.drift(x, times) + g**2 *")],
    says="""The score pushes your points away from the data. Follow one step with the signs: dt is negative, so what does the minus
    before g² do?""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "dt-sign",
    swap=[("(t_next - t) * reverse_drift", "(t - t_next) * reverse_drift")],
    says="""The deterministic part of your steps goes forward in time although the grid goes backward. Which sign does dt have when
    t falls?""",
    source="handout H writes the reverse update with -f and a positive Δt",
)
answer(
    "vpsde.sample_sde",
    "forward-sde",
    swap=[("self.drift(x, times) - g**2 * self.network(x, times)", "self.drift(x, times)")],
    says="""Your steps never ask the network: this is the forward equation run backward. What does the reverse SDE have in addition?""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "last-interval-skipped",
    swap=[("pairwise(ts)", "pairwise(ts[:-1])")],
    says="""One point of the trajectories is missing: with steps + 1 times there are `steps` intervals, and the last one, which
    arrives at the data, was left out.""",
    source="plausible",
)

answer(
    "vpsde.sample_heun",
    "second-slope-at-old-time",
    swap=[("slope(x + dt * first, t_next)", "slope(x + dt * first, t)")],
    says="""Your second slope is taken at the new point but at the old time. At the end of the step both have moved.""",
    source="plausible",
)
answer(
    "vpsde.sample_heun",
    "second-slope-at-old-point",
    swap=[("slope(x + dt * first, t_next)", "slope(x, t_next)")],
    says="""Your second slope is taken at the new time but at the old point. At the end of the step both have moved.""",
    source="plausible",
)
answer(
    "vpsde.sample_heun",
    "just-euler",
    swap=[("0.5 * dt * (first + second)", "dt * first")],
    says="""Your trajectories are Euler's: the second slope is computed, but it has no effect.""",
    source="plausible",
)
answer(
    "vpsde.sample_heun",
    "second-slope-only",
    swap=[("0.5 * dt * (first + second)", "dt * second")],
    says="""Your step uses the slope at its end alone. Neither end is the better one: what does Heun's method do with the two?""",
    source="plausible",
)
answer(
    "vpsde.sample_heun",
    "summed-slopes",
    swap=[("0.5 * dt * (first + second)", "dt * (first + second)")],
    says="""Your steps are twice as long as they should be: the two slopes are added up.""",
    source="plausible",
)
answer(
    "vpsde.sample_heun",
    "both-steps-taken",
    swap=[("x = x + 0.5 * dt * (first + second)", "x = x + dt * first + 0.5 * dt * (first + second)")],
    says="""Your point first takes Euler's step and then another one from there. The trial step is only there to find the second slope.""",
    source="plausible",
)
answer(
    "vpsde.sample_heun",
    "last-step-euler",
    swap=[("x = x + 0.5 * dt * (first + second)", "x = x + (0.5 * dt * (first + second) if t_next > ts[-1] else dt * first)")],
    says="""Only the last interval is off: there your step is Euler's. Karras et al. must do that, because their grid ends where the
    slope is 0/0; ours does not, and the task asks for both slopes everywhere.""",
    source="Karras et al. 2022, Algorithm 1",
)
answer(
    "vpsde.sample_heun",
    "no-half-in-slope",
    swap=[("- 0.5 * self.diffusion(times)[:, None] ** 2", "- self.diffusion(times)[:, None] ** 2")],
    says="""The score pulls your points in too strongly: that is its share in the reverse SDE, where noise pushes back in every step.
    Here nothing pushes back. Compare the two formulas term by term.""",
    source="handout H: its \"ODE\" update is the reverse SDE",
)
answer(
    "vpsde.sample_heun",
    "midpoint",
    swap=[("second = slope(x + dt * first, t_next)", "second = slope(x + 0.5 * dt * first, t + 0.5 * dt)"),
          ("0.5 * dt * (first + second)", "dt * second")],
    says="""This is the midpoint rule: also a good method of second order, but another one. Here the second slope belongs to the end
    of the interval.""",
    source="plausible",
)

# ------------------------------------------------------------------------------------------------- losses and training

answer(
    "vpsde.loss",
    "weight-outside",
    swap=[("1 - torch.rand(len(x0), generator=generator)", "1e-3 + 0.999 * torch.rand(len(x0), generator=generator)"),
          ("residual = weight * (self.network", "residual = (self.network"),
          ("residual.square().sum(dim=1).mean()", "(weight[:, 0] * residual.square().sum(dim=1)).mean()")],
    says="""Your weight stands outside the square, where it counts once instead of twice; small t then dominate the loss. Where does
    w(t) stand in the formula?""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "weight-squared",
    swap=[("weight = self.sigma(t)[:, None]", "weight = self.sigma(t)[:, None] ** 2")],
    says="""A network that says 0 should have a loss of d exactly, and yours is below that: the weight inside the square is σ², and
    small t hardly count.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "target-sign",
    swap=[("+ eps / self.sigma(t)[:, None]", "- eps / self.sigma(t)[:, None]")],
    says="""Your network is pulled towards +ε/σ. The score points from the noisy point back to the data, against the noise.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "one-time-per-batch",
    swap=[("1 - torch.rand(len(x0), generator=generator)", "1 - torch.rand(1, generator=generator).expand(len(x0))")],
    says="""The mean of your loss is right, but it scatters from call to call far more than independent rows would: the whole batch has
    one t. Give each row its own.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "one-noise-per-batch",
    cell='''
@attach(VPSDE)
def loss(self, x0, generator=None):
    t = 1 - torch.rand(len(x0), generator=generator)
    alpha, sigma = self.alpha(t)[:, None], self.sigma(t)[:, None]
    eps = torch.randn(x0.shape[1], generator=generator)
    x_t = alpha * x0 + sigma * eps
    return (sigma * self.network(x_t, t) + eps).square().sum(dim=1).mean()
''',
    says="""The mean of your loss is right, but it scatters from call to call far more than independent rows would: all rows share one
    ε. Give each row its own.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "mean-over-dimensions",
    swap=[("residual.square().sum(dim=1).mean()", "residual.square().mean()")],
    says="""Your loss is smaller by the factor d: it averages over the dimensions too. The squared length |...|² is a sum.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "sum-over-rows",
    swap=[("residual.square().sum(dim=1).mean()", "residual.square().sum()")],
    says="""Your loss grows with the size of the batch: it is summed over the rows. Only the dimensions are summed.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "not-a-number",
    swap=[("residual.square().sum(dim=1).mean()", "residual.square().sum(dim=1)")],
    says="""You return one loss for each row. The optimizer needs a single number for the batch.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "fresh-target",
    swap=[("    weight = self", "    eps = torch.randn(x0.shape, generator=generator)\n    weight = self")],
    says="""The noise in your target is not the noise in x_t: the network's output does not line up with it, so it can only learn to
    say 0.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "detached",
    swap=[("self.network(x_t, t) +", "self.network(x_t, t).detach() +")],
    says="""The value of your loss is right, but no gradient reaches the network: the prediction was cut off from its parameters.""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "predicts-noise",
    swap=[("residual = weight * (self.network(x_t, t) + eps / self.sigma(t)[:, None])", "residual = self.network(x_t, t) - eps")],
    says="""This is the loss of a network that predicts the noise, as in DDPM. Ours predicts the score, which has another sign and another scale.""",
    source="Ho et al. 2020, eq. 14",
)
answer(
    "vpsde.loss",
    "network-sees-clean-data",
    swap=[("self.network(x_t, t)", "self.network(x0, t)")],
    says="""Your network is shown the clean data, where there is no noise to find. Which points will it see when sampling?""",
    source="plausible",
)
answer(
    "vpsde.loss",
    "t-scaled-to-1000",
    swap=[("self.network(x_t, t)", "self.network(x_t, 1000 * t)")],
    says="""The network gets times that are far outside [0, 1]. Here t is continuous and needs no rescaling to step numbers.""",
    source="plausible: DDPM code with 1000 steps",
)
answer(
    "vpsde.loss",
    "normal-times",
    swap=[("1 - torch.rand(len(x0), generator=generator)", "torch.randn(len(x0), generator=generator).sigmoid()")],
    says="""Your times are not uniform: the middle of [0, 1] comes up too often, so the expected loss is another one.""",
    source="plausible: logit-normal times of later papers",
)

answer(
    "vpsde.train_loop",
    "shuffles-the-data-itself",
    swap=[("        rows = torch.randint(len(data), (batch_size,), generator=generator)\n        loss = flow.loss(data[rows])\n",
           "        data[:] = data[torch.randperm(len(data), generator=generator)]\n        loss = flow.loss(data[:batch_size])\n")],
    says="""The training is right, but the data that were handed in stand in another order afterwards: whoever called it may rely on the order (for instance of
    labels that belong to the rows). Can you choose rows without moving any?""",
    source="a fresh reader's answer: data[:] = data[permutation]",
)
answer(
    "vpsde.train_loop",
    "no-zero-grad",
    swap=[("        optimizer.zero_grad()\n", "")],
    says="""From the second step on your parameters move too far: PyTorch adds each gradient to the one that is there already. What has
    to happen before backward?""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "zero-grad-before-step",
    swap=[("        optimizer.zero_grad()\n        loss.backward()\n", "        loss.backward()\n        optimizer.zero_grad()\n")],
    says="""Your parameters never move: the gradients are computed but not used, perhaps because they are cleared too early, or because no
    step is taken.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "same-batch",
    swap=[("    losses = []\n", "    losses = []\n    rows = torch.randint(len(data), (batch_size,), generator=generator)\n"),
          ("        rows = torch.randint(len(data), (batch_size,), generator=generator)\n        loss", "        loss")],
    says="""Every step sees the same rows: the batch is chosen once, before the loop. Most of the data are never used.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "first-rows",
    swap=[("data[rows]", "data[:batch_size]")],
    says="""Every step sees the first rows of the data and no others. The batch should be random, and another one each step.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "in-order",
    swap=[("    losses = []\n    for _ in", "    losses = []\n    for step in"),
          ("rows = torch.randint(len(data), (batch_size,), generator=generator)",
           "rows = torch.arange(step * batch_size, (step + 1) * batch_size) % len(data)")],
    says="""The rows of your batches are neighbours in the data. Data are often sorted, and then each batch shows only one corner of them.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "one-step-short",
    swap=[("progress_bar(steps, \"training\")", "range(1, steps)")],
    says="""One step is missing: you return one loss less than there are steps.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "all-data",
    swap=[("flow.loss(data[rows])", "flow.loss(data)")],
    says="""Every step uses all of the data: the size of the batch has no effect. That is exact, and slow.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "graph-kept",
    swap=[("losses.append(loss.item())", "losses.append(loss)")],
    says="""Your losses still hold the whole graph of their step, so memory grows with every step. Only the numbers are needed.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "loss-after-step",
    swap=[("losses.append(loss.item())", "losses.append(flow.loss(data[rows]).item())")],
    says="""You return the loss of the batch after the step has moved the parameters, computed a second time. The one before is asked
    for, which you have already.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "fixed-batch-size",
    swap=[("(batch_size,), generator=generator)", "(64,), generator=generator)")],
    says="""Your batches have another size than the one that was asked for.""",
    source="plausible",
)
answer(
    "vpsde.train_loop",
    "gradient-clipped",
    swap=[("        optimizer.step()\n", "        torch.nn.utils.clip_grad_norm_(flow.parameters(), 1.0)\n        optimizer.step()\n")],
    says="""Your losses and parameters follow the right course only as long as gradients are small: large ones are shortened before the step. That can help where
    training is wild; here plain steps are asked for.""",
    source="plausible: taken over from a recipe",
)

answer(
    "vpsde.flow",
    "part-of-the-network",
    swap=[("flow.parameters()", "flow.network.rest.parameters()")],
    says="""Some layers of your network never move: the optimizer holds only a part of the parameters.""",
    source="plausible",
)
answer(
    "vpsde.flow",
    "other-network",
    swap=[("flow.parameters()", "ScoreNetwork().parameters()")],
    says="""No parameter of your flow moves. Are the parameters that the optimizer holds those of this network, and is its rate above 0?""",
    source="plausible",
)
answer(
    "vpsde.flow",
    "sgd",
    swap=[("torch.optim.Adam(flow.parameters(), lr=2e-3)", "torch.optim.SGD(flow.parameters(), lr=2e-3)")],
    says="""Your optimizer's steps are in proportion to the gradient: this is not Adam, which divides by the gradient's own size.""",
    source="plausible",
)
answer(
    "vpsde.flow",
    "no-memory",
    swap=[("torch.optim.Adam(flow.parameters(), lr=2e-3)", "torch.optim.RMSprop(flow.parameters(), lr=2e-3)")],
    says="""Your optimizer divides by the gradient's size, but it forgets the direction at once: Adam also has a running mean of the
    gradients.""",
    source="plausible",
)
answer(
    "vpsde.flow",
    "blind-to-time",
    cell='''
class Blind(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2))

    def forward(self, x, t):
        return self.layers(x)

flow = VPSDE(Blind())
optimizer = torch.optim.Adam(flow.parameters(), lr=2e-3)
''',
    says="""Your network takes t and does nothing with it. The score at t = 1 is that of noise and at t near 0 that of the data; one
    function of x alone cannot be both.""",
    source="plausible",
)
answer(
    "vpsde.flow",
    "huge-steps",
    swap=[("lr=2e-3", "lr=1.0")],
    says="""Your optimizer's steps are far too long: one of them moves every weight by about 1.""",
    source="plausible",
)
answer(
    "vpsde.flow",
    "rates-swapped",
    swap=[("VPSDE(ScoreNetwork())", "VPSDE(ScoreNetwork(), 20.0, 0.1)")],
    says="""Your noise rate starts high and ends low. Look at the order of the arguments, or leave them out.""",
    source="plausible",
)
answer(
    "vpsde.flow",
    "no-instance",
    swap=[("VPSDE(ScoreNetwork())", "VPSDE(ScoreNetwork)"), ("flow.parameters()", "ScoreNetwork().parameters()")],
    says="""Your flow holds the class ScoreNetwork, not a network: a class has to be called to make one.""",
    source="plausible",
)

answer(
    "vpsde.traj",
    "too-few",
    swap=[("sample_ode(1000, 2, steps=200)", "sample_ode(100, 2, steps=200)")],
    says="""There are 100 trajectories; the figure needs 1000.""",
    source="plausible",
)
answer(
    "vpsde.traj",
    "steps-for-points",
    swap=[("sample_ode(1000, 2, steps=200)", "sample_ode(200, 2, 1000)")],
    says="""There are 200 trajectories with 1000 steps: look at the order of the arguments, or name them.""",
    source="plausible",
)
answer(
    "vpsde.traj",
    "end-points",
    swap=[("sample_ode(1000, 2, steps=200)", "sample_ode(1000, 2, steps=200)[-1]")],
    says="""You return the end points. The figure also needs the way to them.""",
    source="plausible",
)
answer(
    "vpsde.traj",
    "coarse",
    swap=[("sample_ode(1000, 2, steps=200)", "sample_ode(1000, 2, steps=10)")],
    says="""Ten steps are too few for Euler's method: the trajectories have corners, and their ends miss the data.""",
    source="plausible",
)
answer(
    "vpsde.traj",
    "points-first",
    swap=[("sample_ode(1000, 2, steps=200)", "sample_ode(1000, 2, steps=200).transpose(0, 1)")],
    says="""The first dimension of your tensor counts the points. Here it counts the times, so that traj[0] is the start of all points.""",
    source="plausible",
)
answer(
    "vpsde.traj",
    "backwards",
    swap=[("sample_ode(1000, 2, steps=200)", "sample_ode(1000, 2, steps=200).flip(0)")],
    says="""Your trajectories do not go from standard normal noise to data: what stands at their end looks like noise. Did their order change on the
    way from the sampler to you, or did no sampler move them?""",
    source="plausible",
)

# ------------------------------------------------------------------------------------------------------- v-prediction

answer(
    "vpsde.v_target",
    "sign",
    swap=[("* eps - self.sigma", "* eps + self.sigma")],
    says="""Your v has the noise's part right; look at the sign of the part with x₀. Differentiate cos and sin.""",
    source="plausible",
)
answer(
    "vpsde.v_target",
    "data-minus-noise",
    cell='''
@attach(VPSDE)
def v_target(self, x0, eps, t):
    return self.alpha(t)[:, None] * x0 - self.sigma(t)[:, None] * eps
''',
    says="""x₀ and ε have changed places. v is the derivative of x_t with respect to the angle: what does α x₀ become?""",
    source="plausible",
)
answer(
    "vpsde.v_target",
    "undifferentiated",
    cell='''
@attach(VPSDE)
def v_target(self, x0, eps, t):
    return self.sigma(t)[:, None] * eps - self.alpha(t)[:, None] * x0
''',
    says="""α and σ have changed places: each of them has to be differentiated with respect to the angle.""",
    source="plausible",
)
answer(
    "vpsde.v_target",
    "straight-line",
    cell='''
@attach(VPSDE)
def v_target(self, x0, eps, t):
    return eps - x0
''',
    says="""This is the velocity along a straight line from data to noise. Here x_t moves on an arc, and the velocity depends on the time.""",
    source="flow matching (Lipman et al. 2023)",
)
answer(
    "vpsde.v_target",
    "broadcast",
    swap=[("self.alpha(t)[:, None] * eps - self.sigma(t)[:, None] * x0", "self.alpha(t) * eps - self.sigma(t) * x0")],
    says="""With as many rows as dimensions, α and σ went to the columns instead of the rows; with other sizes the shapes do not fit.""",
    source="handout E's validation loss: [B] against [B, 1]",
)

answer(
    "vpsde.score_from_v",
    "sign",
    swap=[("return -eps / self.sigma(t)[:, None]", "return eps / self.sigma(t)[:, None]")],
    says="""Your score has the right length and points the wrong way: it should lead from the noisy point back towards the data.""",
    source="plausible",
)
answer(
    "vpsde.score_from_v",
    "just-noise",
    swap=[("return -eps / self.sigma(t)[:, None]", "return -eps")],
    says="""You return the noise, with a minus. How does the score follow from it? The loss has both in one bracket.""",
    source="plausible",
)
answer(
    "vpsde.score_from_v",
    "variance",
    swap=[("return -eps / self.sigma(t)[:, None]", "return -eps / self.sigma(t)[:, None] ** 2")],
    says="""Your score is too long where σ is small: it is divided by the variance. That would be right for σ ε, not for ε.""",
    source="plausible",
)
answer(
    "vpsde.score_from_v",
    "v-as-noise",
    swap=[("eps = self.alpha(t)[:, None] * v + self.sigma(t)[:, None] * x_t", "eps = v")],
    says="""You treat v as if it were ε. They agree only at t = 0; solve the two equations for x_t and v first.""",
    source="plausible",
)
answer(
    "vpsde.score_from_v",
    "data-for-noise",
    swap=[("eps = self.alpha(t)[:, None] * v + self.sigma(t)[:, None] * x_t",
           "eps = self.alpha(t)[:, None] * x_t - self.sigma(t)[:, None] * v")],
    says="""From x_t and v you made the estimate of x₀, where that of ε is needed. Both follow from the same two equations.""",
    source="Salimans and Ho 2022",
)
answer(
    "vpsde.score_from_v",
    "rotation-sign",
    swap=[("* v + self.sigma(t)[:, None] * x_t", "* v - self.sigma(t)[:, None] * x_t")],
    says="""One of your two terms has the wrong sign. Put x_t = α x₀ + σ ε and v into your formula: x₀ has to drop out.""",
    source="plausible",
)
answer(
    "vpsde.score_from_v",
    "noise-sign",
    cell='''
@attach(VPSDE)
def score_from_v(self, x_t, v, t):
    sigma = self.sigma(t)[:, None]
    eps = sigma * x_t - self.alpha(t)[:, None] * v
    return -eps / sigma
''',
    says="""The part that comes from v has the wrong sign. Put x_t = α x₀ + σ ε and v = α ε − σ x₀ into your formula for ε: does x₀ drop out?""",
    source="plausible: the way back turned in the wrong direction",
)

answer(
    "vpsde.v_loss",
    "target-noise",
    swap=[("self.v_target(x0, eps, t)", "eps")],
    says="""Your target is ε: a good loss, but that of a network that predicts the noise.""",
    source="plausible",
)
answer(
    "vpsde.v_loss",
    "target-of-noisy-data",
    swap=[("self.v_target(x0, eps, t)", "self.v_target(x_t, eps, t)")],
    says="""The velocity in your target was computed from the noisy points. It belongs to the pair of clean data and noise.""",
    source="plausible",
)
answer(
    "vpsde.v_loss",
    "mean-over-dimensions",
    swap=[("gap.square().sum(dim=1).mean()", "gap.square().mean()")],
    says="""Your loss is smaller by the factor d: it averages over the dimensions too. The squared length |...|² is a sum.""",
    source="plausible",
)
answer(
    "vpsde.v_loss",
    "one-time-per-batch",
    swap=[("torch.rand(len(x0), generator=generator)", "torch.rand(1, generator=generator).expand(len(x0))")],
    says="""The mean of your loss is right, but it scatters from call to call far more than independent rows would: the whole batch has
    one t. Give each row its own.""",
    source="plausible",
)
answer(
    "vpsde.v_loss",
    "weighted",
    swap=[("    gap = self.network(x_t, t) - self.v_target(x0, eps, t)",
           "    gap = self.sigma(t)[:, None] * (self.network(x_t, t) - self.v_target(x0, eps, t))")],
    says="""Your loss carries the weight σ of the score loss. v has the same size at every t and needs none.""",
    source="plausible",
)
answer(
    "vpsde.v_loss",
    "still-the-score",
    swap=[("gap = self.network(x_t, t) - self.v_target(x0, eps, t)", "gap = self.sigma(t)[:, None] * self.network(x_t, t) + eps")],
    says="""This is the score loss of before. Now the network's output itself is v.""",
    source="plausible",
)
answer(
    "vpsde.v_loss",
    "detached",
    swap=[("self.network(x_t, t) -", "self.network(x_t, t).detach() -")],
    says="""The value of your loss is right, but no gradient reaches the network: the prediction was cut off from its parameters.""",
    source="plausible",
)
answer(
    "vpsde.v_loss",
    "sum-over-rows",
    swap=[("gap.square().sum(dim=1).mean()", "gap.square().sum()")],
    says="""Your loss grows with the size of the batch: it is summed over the rows. Only the dimensions are summed.""",
    source="plausible",
)

answer(
    "vpsde.loss",
    "late-start",
    swap=[("t = 1 - torch.rand(len(x0), generator=generator)", "t = 0.05 + 0.95 * torch.rand(len(x0), generator=generator)")],
    says="""A network that speaks only at small times is hardly heard: your loss seems never to ask for the first part of the
    time range. How small may the smallest time be, by the task's own words?""",
    source="plausible (a generous distance from the division by zero)",
)
answer(
    "vpsde.loss",
    "always-two-dimensions",
    swap=[("residual.square().sum(dim=1).mean()", "2 * residual.square().mean()")],
    says="""In the plane your loss is right; in other dimensions it is not, as if there were always two. The squared length |...|² has as many terms
    as a row has numbers.""",
    source="plausible: mse_loss made to fit the example",
)
answer(
    "vpsde.loss",
    "times-of-the-sampler",
    swap=[("t = 1 - torch.rand(len(x0), generator=generator)", "t = (1 - torch.rand(len(x0), generator=generator)) ** 2")],
    says="""Your times crowd at the beginning: small t come up far more often than large ones. Samplers space their steps like that; in the loss, which
    distribution does the text give to t?""",
    source="plausible: self.grid's spacing taken over",
)
answer(
    "vpsde.loss",
    "same-times-always",
    swap=[("t = 1 - torch.rand(len(x0), generator=generator)", "t = (torch.arange(len(x0)) + 0.5) / len(x0)")],
    says="""Every call asks the network about the same times: with one row it is always the same one. Evenly spread times are a good idea, but the
    network has to hear all times between 0 and 1 in the long run.""",
    source="a fresh reader's answer: stratified times without a random offset",
)
answer(
    "vpsde.loss",
    "more-of-the-small-times",
    swap=[("t = 1 - torch.rand(len(x0), generator=generator)", "t = (1 - torch.rand(len(x0), generator=generator)) ** 1.1")],
    says="""Small times come up more often than large ones. The expectation in the loss takes all times between 0 and 1 to be equally likely: what
    is done to your random numbers before they become times?""",
    source="importance sampling of t without its weight (Nichol and Dhariwal 2021, section 3.3)",
)

answer(
    "vpsde.v_loss",
    "late-start",
    swap=[("t = torch.rand(len(x0), generator=generator)", "t = 0.05 + 0.95 * torch.rand(len(x0), generator=generator)")],
    says="""A network that speaks only at small times is hardly heard: your loss seems never to ask for the first part of the
    time range. Nothing is divided by the noise level here, so which times are allowed?""",
    source="plausible (a guard carried over from the score loss)",
)
answer(
    "vpsde.v_loss",
    "always-two-dimensions",
    swap=[("gap.square().sum(dim=1).mean()", "2 * gap.square().mean()")],
    says="""In the plane your loss is right; in other dimensions it is not, as if there were always two. The squared length |...|² has as many terms
    as a row has numbers.""",
    source="plausible: mse_loss made to fit the example",
)
answer(
    "vpsde.v_loss",
    "length-not-squared",
    swap=[("gap.square().sum(dim=1).mean()", "gap.norm(dim=1).mean()")],
    says="""Your loss is the mean length of the errors, not of their squares. Only with squares is the best answer the conditional mean, on which
    everything rests.""",
    source="plausible",
)

answer(
    "vpsde.sample_sde",
    "noise-a-little-large",
    swap=[("noise = torch.randn(x.shape, generator=generator)", "noise = 1.02 * torch.randn(x.shape, generator=generator)")],
    says="""Every step's noise is a few per cent off in size, and everything else is right: something multiplies the noise besides g
    and the root of the step. Compare the factor with the equation.""",
    source="plausible (temperature tricks)",
)

# ---- the size of the noise, and whose it is

answer(
    "vpsde.perturb",
    "cut-at-two",
    swap=[("torch.randn(x0.shape, generator=generator, dtype=x0.dtype)",
           "torch.nn.init.trunc_normal_(torch.empty(x0.shape), generator=generator)")],
    says="""None of the numbers in ε is far from 0, and their variance is too small: they are normal numbers without their ends. Read in the
    documentation what your random function does beyond two standard deviations.""",
    source="plausible (torch.nn.init.trunc_normal_ cuts at 2 unless told otherwise)",
)
for method in ("ode", "sde"):
    answer(
        "vpsde.sample_" + method,
        "start-clamped",
        swap=[("x = torch.randn(n, dim, generator=generator) if", "x = torch.randn(n, dim, generator=generator).clamp(-2.5, 2.5) if")],
        says="""Your trajectories never start farther out than some distance, so their start is a few per cent too narrow. Standard normal
        points have no such bound.""",
        source="plausible (a guard against outliers)",
    )
answer(
    "vpsde.sample_heun",
    "start-from-uniforms",
    swap=[("x = torch.randn(n, dim, generator=generator) if", "x = torch.rand(n, dim, 11, generator=generator).sum(2) - 5.5 if")],
    says="""Your steps are right, and the start is nearly so: its points lie a few per cent too close to 0. If normal numbers are built from
    uniform ones, which variance has one of those, and so which has their sum?""",
    source="plausible: the sum of twelve uniforms minus 6 is an old recipe, here off by one",
)
answer(
    "vpsde.sample_sde",
    "noise-clamped",
    swap=[("noise = torch.randn(x.shape, generator=generator)", "noise = torch.randn(x.shape, generator=generator).clamp(-2, 2)")],
    says="""No step is ever shaken harder than some bound, and the variance of its noise is a few per cent too small: the far numbers are
    held back. Steps of a Brownian motion have all of them.""",
    source="plausible (a guard against outliers)",
)
answer(
    "vpsde.sample_sde",
    "noise-of-the-time-after",
    swap=[("+ g * torch.sqrt(t - t_next)", "+ self.diffusion(t_next) * torch.sqrt(t - t_next)")],
    says="""The noise of a step has the strength that belongs to the end of the step, and β is smaller there. Everything in an Euler–Maruyama step is
    taken where the step begins.""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "all-at-the-time-after",
    swap=[("times = t.expand(len(x))", "times = t_next.expand(len(x))")],
    says="""β and the network see the time at the end of the step. An Euler–Maruyama step is made of what is known where it begins.""",
    source="plausible",
)
answer(
    "vpsde.sample_sde",
    "noise-along-diagonal",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.randn(len(x), 1, generator=generator)")],
    says="""All coordinates of a point get the same kick, so points wander along a diagonal. Every coordinate needs a number of its own.""",
    source="plausible: broadcasting hides it",
)
answer(
    "vpsde.sample_sde",
    "pool-of-noises",
    swap=[("    path = [x]\n", "    path = [x]\n    pool = [torch.randn(x.shape, generator=generator) for _ in range(10)]\n"),
          ("noise = torch.randn(x.shape, generator=generator)", "noise = pool[len(path) % 10]")],
    says="""With few steps all is well; with thirty the points spread too far. The noise of a step comes back after some steps, so that it adds up instead of
    averaging out. When is each step's noise drawn?""",
    source="a fresh reader's answer: noises drawn before the loop, to save time",
)
answer(
    "vpsde.sample_sde",
    "mirrored-halves",
    swap=[("        noise = torch.randn(x.shape, generator=generator)\n",
           "        half = torch.randn(len(x) // 2, *x.shape[1:], generator=generator)\n"
           "        noise = torch.cat([half, -half, torch.randn(len(x) % 2, *x.shape[1:], generator=generator)])\n")],
    says="""The noise of some trajectories is that of others turned round. Each looks right, but the sum of a call's noise is 0 or nearly so: the trajectories
    are not independent of each other.""",
    source="antithetic draws, a way to reduce the variance of an average",
)
answer(
    "vpsde.sample_sde",
    "changes-x_T",
    swap=[("path = [x]", "path = [x.clone()]"), ("x = x + (t_next - t) * reverse_drift + g * torch.sqrt(t - t_next) * noise", "x += (t_next - t) * reverse_drift + g * torch.sqrt(t - t_next) * noise"),
          ("path.append(x)", "path.append(x.clone())")],
    says="""The trajectories are right, but the points x_T that they began at have moved along: your sampler writes into the tensor that it was
    given, and whoever called it would start the next run from the end of this one.""",
    source="a fresh reader's answer: x += ... on the caller's x_T",
)
for task, tail in (
    ("loss", "    return (sigma * self.network(x_t, t) + eps).square().sum(dim=1).mean()"),
    ("v_loss", "    return (self.network(x_t, t) - self.v_target(x0, eps, t)).square().sum(dim=1).mean()"),
):
    for name, noise, says, source in (
        (
            "neighbours-share-noise",
            "torch.randn((len(x0) + 1) // 2, x0.shape[1], generator=generator).repeat_interleave(2, 0)[: len(x0)]",
            """Two neighbouring rows of the batch get the same ε. The mean of your loss is right, but half of the noise is missing, and the loss
            scatters accordingly. How many rows of ε does a batch need?""",
            "plausible",
        ),
        (
            "halves-share-noise",
            "torch.randn((len(x0) + 1) // 2, x0.shape[1], generator=generator).repeat(2, 1)[: len(x0)]",
            """The second half of the batch gets the same ε as the first. The mean of your loss is right, but half of the noise is missing.
            (If ε was meant to come in opposite pairs: something is left out.)""",
            "plausible: antithetic draws without their sign",
        ),
        (
            "noise-clamped",
            "torch.randn(x0.shape, generator=generator).clamp(-2, 2)",
            """The variance of the ε in your loss is a few per cent too small, and no number of it is far from 0: something holds them back.""",
            "plausible (a guard against outliers)",
        ),
    ):
        answer(
            "vpsde." + task,
            name,
            cell=f'''
@attach(VPSDE)
def {task}(self, x0, generator=None):
    t = 1 - torch.rand(len(x0), generator=generator)
    alpha, sigma = self.alpha(t)[:, None], self.sigma(t)[:, None]
    eps = {noise}
    x_t = alpha * x0 + sigma * eps
{tail}
''',
            says=says,
            source=source,
        )
answer(
    "vpsde.perturb",
    "noise-standardised",
    swap=[("    x_t = self.alpha", "    eps = eps / eps.std()\n    x_t = self.alpha")],
    says="""With large batches your noise looks right, with a single row it does not: its numbers are divided by their own spread, so they depend
    on each other. Standard normal numbers have spread 1 on average, not each time.""",
    source="plausible: normalisation as a habit",
)
answer(
    "vpsde.perturb",
    "seeded",
    swap=[("    eps = torch.randn(", "    torch.manual_seed(0)\n    eps = torch.randn(")],
    says="""Your noise is the same in every call: a seed is set inside. A network trained with it would learn these numbers by heart; leave the random numbers to whoever
    calls you.""",
    source="plausible: made reproducible at the wrong place",
)

# ---------------------------------------------------------------------- generators, modes, extremes

for task, line in {
    "vpsde.perturb": "    eps = torch.randn(",
    "vpsde.sample_ode": "    ts = self.grid(",
    "vpsde.sample_sde": "    ts = self.grid(",
    "vpsde.sample_heun": "    ts = self.grid(",
    "vpsde.loss": "    t = 1 - torch.rand(",
    "vpsde.v_loss": "    t = torch.rand(",
}.items():
    answer(task, "generator-copied", swap=[(line, GENERATOR_COPIED + line)], says=COPIED_SAYS, source="plausible: made to repeat its numbers")

answer(
    "vpsde.sample_sde",
    "generator-copied-in-each-step",
    swap=[("        noise = torch.randn(x.shape, generator=generator)\n",
           "        again = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())\n"
           "        noise = torch.randn(x.shape, generator=again)\n")],
    says="""When a generator is given, every step of a trajectory adds the same noise: it comes from a copy that starts anew each time. Which object
    should all the steps draw from?""",
    source="plausible: made to repeat its numbers",
)
answer(
    "vpsde.train_loop",
    "generator-copied-in-each-step",
    swap=[("        rows = torch.randint(",
           "        if generator is not None:\n            generator = torch.Generator().manual_seed(generator.initial_seed())\n"
           "        rows = torch.randint(")],
    says="""When a generator is given, every step gets the same few rows of the data: they come from a copy that starts anew each time. Which
    object should all the steps draw from?""",
    source="plausible: made to repeat its numbers",
)
answer(
    "vpsde.sample_ode",
    "rows-left-over",
    swap=[("        slope = self.drift(x, times) - 0.5 * self.diffusion(times)[:, None] ** 2 * self.network(x, times)\n", """\
        size = max(len(x) // 4, 1)
        score = torch.zeros_like(x)
        for k in range(0, len(x) // size * size, size):
            score[k : k + size] = self.network(x[k : k + size], times[k : k + size])
        slope = self.drift(x, times) - 0.5 * self.diffusion(times)[:, None] ** 2 * score
""")],
    says="""With eleven points the last ones go wrong: their score seems to be 0. If you ask the network in parts, what happens to the rows that
    are left over when the parts do not come out even?""",
    source="plausible: parts of equal size",
)
answer(
    "vpsde.loss",
    "fixed-times-in-eval-mode",
    swap=[("    t = 1 - torch.rand(len(x0), generator=generator)",
           "    t = 1 - torch.rand(len(x0), generator=generator) if self.training else torch.linspace(1e-3, 1, len(x0))")],
    says="""After flow.eval() the times are no longer random: a batch of one row always has the same one. Eval mode is for layers such as dropout;
    what the loss estimates is the same in both modes.""",
    source="plausible: a validation that can be repeated",
)
answer(
    "vpsde.v_loss",
    "no-gradient-in-eval-mode",
    swap=[("    gap = self.network(x_t, t) - self", "    with torch.set_grad_enabled(self.training):\n        gap = self.network(x_t, t) - self")],
    says="""After flow.eval() the loss has no gradient. Eval mode is for layers such as dropout and has nothing to do with gradients: whether they
    are wanted is for the caller to say.""",
    source="plausible: eval mode taken for no_grad",
)
answer(
    "vpsde.traj",
    "parts-with-one-seed",
    cell="""
def draw_trajectories(flow):
    parts = []
    for _ in range(10):
        parts.append(flow.sample_ode(100, 2, steps=200, generator=torch.Generator().manual_seed(0)))
    return torch.cat(parts, dim=1)
""",
    says="""Your 1000 trajectories are the same few, many times over. If you draw them in parts, what does each part draw from?""",
    source="plausible: a seed set once too often",
)
answer(
    "vpsde.traj",
    "straight-lines",
    cell="""
def draw_trajectories(flow):
    first, last = flow.sample_ode(1000, 2, steps=200)[[0, -1]]
    return torch.stack([torch.lerp(first, last, k / 100) for k in range(101)])
""",
    says="""Your trajectories are straight lines from their first to their last point. The ODE bends them: where have the points in between gone
    that the sampler computed?""",
    source="plausible: only the ends kept",
)
answer(
    "vpsde.v_target",
    "alpha-held-back",
    swap=[("    return self.alpha(t)[:, None] * eps", "    return self.alpha(t).clamp(min=0.05)[:, None] * eps")],
    says="""Near t = 1 your velocity is off and elsewhere it is right: α seems to be kept from coming close to 0. Nothing is divided here, so
    what is that for?""",
    source="plausible: a guard against a division by 0",
)
answer(
    "vpsde.score_from_v",
    "sigma-held-back",
    swap=[("    return -eps / self.sigma(t)[:, None]", "    return -eps / self.sigma(t).clamp(min=0.05)[:, None]")],
    says="""Near t = 0 your score is too small and elsewhere it is right: the σ that you divide by seems to be kept away from 0. The score does
    become large there.""",
    source="plausible: a guard against a division by 0",
)
answer(
    "vpsde.perturb",
    "batch-standardised",
    swap=[("    x_t = self", "    if len(eps) > 1:\n        eps = (eps - eps.mean(0)) / eps.std(0)\n    x_t = self")],
    says="""The noise of a call's rows adds up to 0 in every call, of an odd number of rows too. It looks as if it were shifted and scaled to have
    exactly mean 0 and variance 1 in each batch: then no row is independent of the others.""",
    source="plausible: normalises its noise",
)
answer(
    "vpsde.train_loop",
    "one-order-for-all",
    cell="""
def fit(flow, data, optimizer, steps, batch_size, generator=None):
    order, losses = torch.randperm(len(data), generator=generator), []
    parts = order.split(batch_size)
    whole = [part for part in parts if len(part) == batch_size] or list(parts)
    for step in range(steps):
        loss = flow.loss(data[whole[step % len(whole)]])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
""",
    says="""Some rows of the data never come into a batch, a few at the end of an order that is drawn once: where the batches do not come out even, these are
    left over every time. How often should chance decide which rows come?""",
    source="plausible: one permutation for the whole run",
)
answer(
    "vpsde.sigma",
    "series-goes-too-far",
    swap=[("    return torch.sqrt(-torch.expm1(-integral))",
           "    return torch.where(integral < 0.03, integral.sqrt(), torch.sqrt(1 - torch.exp(-integral)))")],
    says="""For small t your σ is the root of β's integral. That is a fine approximation for the smallest t, and off by up to a per cent where you still use
    it. One formula can serve all t: PyTorch has a function for just this difference.""",
    source="plausible: a series by hand against cancellation",
)
answer(
    "vpsde.coefficients",
    "diffusion-between-roots",
    swap=[("torch.sqrt(self.beta(t))", "self.beta_min**0.5 + t * (self.beta_max**0.5 - self.beta_min**0.5)")],
    says="""Your diffusion is right at t = 0 and t = 1 and too small between: it goes evenly from one root to the other. It is β that goes evenly.""",
    source="diffusers: the \"scaled_linear\" schedule",
)
answer(
    "vpsde.perturb",
    "noise-kept",
    swap=[("    eps = torch.randn(x0.shape, generator=generator, dtype=x0.dtype)\n",
           "    if getattr(self, 'eps', None) is None or self.eps.shape != x0.shape:\n        self.eps = torch.randn(x0.shape, generator=generator)\n    eps = self.eps\n")],
    like="generator-copied",
)
answer(
    "vpsde.sample_heun",
    "slope-used-again",
    swap=[("    path = [x]\n", "    path, first = [x], slope(x, ts[0])\n"), ("        first = slope(x, t)\n", ""),
          ("        path.append(x)\n", "        first = second\n        path.append(x)\n")],
    says="""Your first step is right. From the second on, the first slope is the one that ended the step before, which was taken at a trial point where the
    trajectory never went. How many calls does a step of Heun's method need?""",
    source="plausible: saving a network call",
)
answer(
    "vpsde.train_loop",
    "smoothed-losses",
    swap=[("losses.append(loss.item())", "losses.append(loss.item() if not losses else 0.9 * losses[-1] + 0.1 * loss.item())")],
    says="""The parameters go the right way, but the losses that you return are averages with those of earlier steps. Each step's own loss is asked for;
    smoothing is for the picture.""",
    source="plausible: the running mean of many training scripts",
)
answer(
    "vpsde.traj",
    "steps-left-to-heun",
    swap=[("flow.sample_ode(1000, 2, steps=200)", "flow.sample_heun(1000, 2)")],
    says="""Your trajectories have 25 steps, as many as this sampler makes if nobody says otherwise; the picture needs at least 50.""",
    source="plausible: a default",
)
answer(
    "vpsde.v_loss",
    "midpoints",
    swap=[("torch.rand(len(x0), generator=generator)", "(torch.randperm(len(x0), generator=generator) + 0.5) / len(x0)")],
    says="""The times of a batch are the same evenly spaced ones in every call, only in another order, and a batch of one row sees t = 0.5 alone. Every time
    between 0 and 1 has to come up.""",
    source="plausible: stratified times without the random part",
)
answer(
    "vpsde.v_target",
    "root-of-one-minus-alpha",
    swap=[("self.sigma(t)[:, None] * x0", "(1 - self.alpha(t)[:, None]).sqrt() * x0")],
    says="""What stands before x_0 is right near both ends of time and too small between. In some texts α is a share of the variance; here α² is. Which σ
    belongs to it?""",
    source="Ho et al. 2020: ᾱ in the place of α",
)
answer(
    "vpsde.perturb",
    "clamped",
    swap=[("    return x_t, eps", "    return x_t.clamp(-5, 5), eps")],
    says="""Where the data are large, x_t is held back at a fixed number, so it does not fit its noise any more. Data may lie anywhere.""",
    source="plausible: to keep a network's inputs in range",
)

# ---- near the data

answer(
    "vpsde.alpha",
    "small-times-raised",
    swap=[("    integral = ", "    t = t.clamp(min=0.01)\n    integral = ")],
    says="""At small times α is that of a larger one: t is raised to a least value. Nothing goes wrong at t = 0 here that has to be kept away.""",
    source="plausible: a guard for σ, in the wrong place",
)
answer(
    "vpsde.perturb",
    "small-times-raised",
    swap=[("    eps = torch.randn", "    t = t.clamp(min=0.01)\n    eps = torch.randn")],
    says="""At small times x_t has the noise of a later one: t is raised to a least value before α and σ are taken.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "small-times-raised",
    swap=[("times = t.expand(len(x))", "times = t.clamp(min=0.01).expand(len(x))")],
    says="""In the last steps the network and β see a time that is not the step's: small times are raised to a least value. The grid says where to stop.""",
    source="plausible",
)
answer(
    "vpsde.sample_ode",
    "score-clipped",
    swap=[("* self.network(x, times)", "* self.network(x, times).clamp(-10, 10)")],
    says="""Large scores are cut off. Near the data they are as large as they have to be: a point that is far out has to come in.""",
    source="plausible: numerical caution",
)
answer(
    "vpsde.sample_heun",
    "last-steps-euler",
    swap=[("        second = slope(x + dt * first, t_next)", "        second = slope(x + dt * first, t_next) if t_next > 0.01 else first")],
    says="""Near the data your steps are Euler's. Leaving out the second slope is needed only where there is none, at a time at which the score is infinite; that is not on this grid.""",
    source="Karras et al. 2022, algorithm 1, applied too early",
)
answer(
    "vpsde.sample_sde",
    "no-noise-at-small-times",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.randn(x.shape, generator=generator) * (t_next > 0.01)")],
    says="""The last steps have no noise. On a given grid every step of the SDE has its noise, as small as it is there.""",
    source="plausible: DDPM's last step, applied to the SDE",
)
answer(
    "vpsde.sample_sde",
    "small-times-raised",
    swap=[("times = t.expand(len(x))", "times = t.clamp(min=0.05).expand(len(x))")],
    says="""In the last steps the network and β see a time that is not the step's: small times are raised to a least value. The grid says where to stop.""",
    source="plausible",
)
for task, drawn in (("vpsde.loss", "1 - torch.rand(len(x0), generator=generator)"), ("vpsde.v_loss", "torch.rand(len(x0), generator=generator)")):
    answer(
        task,
        "times-in-pairs",
        swap=[(drawn, "torch.rand((len(x0) + 1) // 2, generator=generator).repeat(2)[: len(x0)]")],
        says="""Rows of a batch have the same t as others: they share a draw, or there are only so many times to draw from. Each row draws its own, from all numbers between 0
        and 1.""",
        source="plausible",
    )
    answer(
        task,
        "times-of-a-grid",
        swap=[(drawn, "torch.randint(1, 1001, (len(x0),), generator=generator) / 1000")],
        like="times-in-pairs",
    )
