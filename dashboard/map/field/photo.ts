// Photos are made small in the phone: a picture of 4 MB becomes one of 300 kB, which a bad connection can carry.

const LONGEST_SIDE = 1600;
const QUALITY = 0.8;

/** Returns a photo as an upright JPEG of at most 1,600 pixels; raises where this browser cannot read it. */
export async function shrink(file: Blob): Promise<Blob> {
  const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d")!.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((done, fail) =>
    canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("no JPEG"))), "image/jpeg", QUALITY),
  );
}
