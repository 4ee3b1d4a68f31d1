"""Scenes drawn from a seed, with questions whose answers are exactly known.

`rooms`, `tabletops` and `street` make scenes of parametric meshes; `render` draws them; `survey`
says what the pictures show; `questions` with `metric`, `relations`, `motion`, `moving` and `points`
asks what can be answered from them; `write` writes captures; `captures` does all of it at once.
"""
