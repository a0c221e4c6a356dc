"""Frames per second of PsychoPy with k x k drifting Gabors: gabors_psychopy.py array|grating SIDE SECONDS."""

import sys
import time

import numpy as np
from psychopy import visual

way, side, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
size = [1280, 720]
window = visual.Window(size, units="pix", color=[0, 0, 0], waitBlanking=False, allowGUI=False, checkTiming=False)
cell = [size[0] / side, size[1] / side]
diameter = 0.9 * min(cell)
places = [
    ((column + 0.5) * cell[0] - size[0] / 2, size[1] / 2 - (row + 0.5) * cell[1])
    for row in range(side)
    for column in range(side)
]
count = side * side
speeds = 0.02 + 1e-5 * np.arange(count)
turns = np.degrees(0.37 * np.arange(count))
if way == "array":
    stimulus = visual.ElementArrayStim(
        window, nElements=count, xys=places, sizes=diameter, sfs=4 / diameter, oris=turns, elementTex="sin",
        elementMask="gauss", contrs=0.9, units="pix",
    )

    def draw(frame):
        stimulus.phases = speeds * frame
        stimulus.draw()
else:
    stimuli = [
        visual.GratingStim(window, pos=place, size=diameter, sf=4 / diameter, ori=turn, tex="sin", mask="gauss",
                           contrast=0.9, units="pix")
        for place, turn in zip(places, turns)
    ]

    def draw(frame):
        for stimulus, speed in zip(stimuli, speeds):
            stimulus.phase = speed * frame
            stimulus.draw()


for frame in range(10):
    draw(frame)
    window.flip()
frames, begun = 0, time.perf_counter()
while time.perf_counter() - begun < seconds or frames < 10:
    draw(frames)
    window.flip()
    frames += 1
print("fps", frames / (time.perf_counter() - begun))
