"""How nodes that run at the same time slow each other down.

`fluid`: capacities alone; `together`: a discrete-event model of the GIL (with `handover`, `phases`,
`chatter`); `sharing`: both, and measured pairs, for the simulator (with `neighbours`, `shares`).
"""
